"""Who has read the test split, from the records of the store: earlier looks at a comparison, and reads by other sweeps.

Nothing is written for it. A trial read the test split if the results of its queries are in the store, and equal keys
are the same trial on the same data. So a sweep with more seeds of the same arms holds the trials of the earlier one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from radsweep.evaluation.queries import QUERIES
from radsweep.store.records import ArmSize, CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import Store

Comparison = frozenset[
    tuple[str, str]
]  # keys of an arm's trial and of the baseline's, for each replicate that both have


@dataclass(frozen=True)
class Ledger:
    """Reads of a data set's test split, as far as the store shows them."""

    earlier_looks: Mapping[ArmSize, int] = field(default_factory=dict)  # at fewer replicates of a comparison
    tested: frozenset[str] = frozenset()  # keys of the sweep's own trials that read it, in whichever sweep
    sweeps: tuple[str, ...] = ()  # ids of the sweeps that read it, this one included, the earliest first
    comparisons: int = 0  # that they made; the same trials compared again count once


NOTHING_READ = Ledger()


def read_ledger(store: Store, sweep: SweepRecord, cells: Mapping[str, CellRecord]) -> Ledger:
    """Derive the ledger of a sweep's data set, as it stands now.

    Args:
        sweep: also several merged into one: each of them is an earlier look.
        cells: {key: record} of the sweep's trials that ended.

    Example:
        >>> from radsweep.store.store import Store, store_folder
        >>> store = Store(store_folder("store"))
        >>> sweep = store.read_sweep("small")
        >>> read_ledger(store, sweep, store.read_records(sweep)).comparisons
        2
    """
    data = sweep.data.get("fingerprint")
    tested = _Tested(store)
    own = paired_trials(sweep, tested)
    parts = sweep.id.split("+")
    others = [other for other in store.sweeps() if data and other.data.get("fingerprint") == data]
    of_others = {other.id: paired_trials(other, tested) for other in others}
    earlier = [
        (other, of_others[other.id])
        for other in others
        if other.id != sweep.id and (other.id in parts or other.created < sweep.created)
    ]
    looks = {
        place: len(
            {
                seen
                for other, made in earlier
                for seen in made.values()
                if seen < pairs and _was_seen(other, seen, cells)
            }
        )
        for place, pairs in own.items()
    }
    return Ledger(
        earlier_looks={place: number for place, number in looks.items() if number},
        tested=frozenset(cell.key for cell in sweep.cells if cell.key in tested),
        sweeps=tuple(other.id for other in others if any(cell.key in tested for cell in other.cells)),
        comparisons=len({pairs for made in of_others.values() for pairs in made.values()}),
    )


def paired_trials(sweep: SweepRecord, tested: Container[str]) -> dict[ArmSize, Comparison]:
    """The comparisons of an ablation with its baseline by arm and size, of trials that both read the test split."""
    if sweep.kind != "ablation":
        return {}
    places: dict[ArmSize, dict[tuple[Any, ...], str]] = {}
    for cell in sweep.cells:
        if cell.key in tested:
            places.setdefault((cell.arm, cell.pairs), {})[_replicate(cell)] = cell.key
    found = {
        (arm, pairs): frozenset(
            (key, theirs)
            for replicate, key in of.items()
            if (theirs := places.get((sweep.baseline, pairs), {}).get(replicate))
        )
        for (arm, pairs), of in places.items()
        if arm != sweep.baseline
    }
    return {place: pairs for place, pairs in found.items() if pairs}


def _replicate(cell: PlannedCell) -> tuple[Any, ...]:
    return cell.subset_seed, cell.init_seed, cell.fold


def _was_seen(other: SweepRecord, pairs: Iterable[tuple[str, str]], cells: Mapping[str, CellRecord]) -> bool:
    """True if the sweep ended with the comparison. One that was interrupted may have ended before its trials ran."""
    if other.status == "finished":
        return True
    records = [cells.get(key) for pair in pairs for key in pair]
    return other.status == "interrupted" and all(r is not None and r.ended <= other.ended for r in records)


class _Tested:
    """The keys of trials that read the test split; each is looked up once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, bool] = {}

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        if key not in self._known:
            self._known[key] = (self._store.cell_folder(key) / QUERIES).is_file()
        return self._known[key]
