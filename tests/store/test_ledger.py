from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from radsweep.evaluation.queries import QUERIES
from radsweep.store.ledger import Ledger, read_ledger
from radsweep.store.merge import merge
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import Store

SELECT = "val/text_to_image/recall_at_10"


class Kept:
    """A store whose trials all read the test split, unless they are in `untested`."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.hour = 0

    def sweep(
        self,
        id: str,
        arms: Mapping[str, Sequence[int]],
        untested: Sequence[str] = (),
        data: str = "d",
        baseline: str = "baseline",
        **others: Any,
    ) -> SweepRecord:
        """Write a sweep with the given replicates of each arm at 100 pairs; equal names and replicates share a key."""
        self.hour += 1
        cells = [
            PlannedCell(key=f"{arm} {seed}", arm=arm, pairs=100, subset_seed=seed)
            for arm, seeds in arms.items()
            for seed in seeds
        ]
        cells = [cell.model_copy(update={"number": number}) for number, cell in enumerate(cells)]
        for cell in cells:
            if self.store.read_cell(cell.key) is None:
                ended = f"2026-01-01T{self.hour:02}:20"
                self.store.write_cell(CellRecord(key=cell.key, trial={}, status="finished", ended=ended))
            if cell.key not in untested:
                (self.store.cell_folder(cell.key) / QUERIES).touch()
        values: dict[str, Any] = {
            "kind": "ablation",
            "status": "finished",
            "created": f"2026-01-01T{self.hour:02}:00",
            "ended": f"2026-01-01T{self.hour:02}:40",
        }
        sweep = SweepRecord(
            **{"id": id, "name": id, "experiment": {}, "select": SELECT, "baseline": baseline} | values | others,
            data={"fingerprint": data},
            cells=tuple(cells),
        )
        self.store.write_sweep(sweep)
        return sweep

    def ledger(self, sweep: SweepRecord) -> Ledger:
        return read_ledger(self.store, sweep, self.store.read_records(sweep))


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_seeds_added_by_hand_are_a_look_at_each_comparison_that_grew(kept: Kept) -> None:
    first = kept.sweep("first", {"baseline": range(2), "local": range(2), "global": range(4)})
    kept.sweep("second", {"baseline": range(4), "local": range(4), "global": range(4)})
    last = kept.sweep("last", {"baseline": range(6), "local": range(6), "global": range(2)})
    assert kept.ledger(last).earlier_looks == {("local", 100): 2}
    assert kept.ledger(first).earlier_looks == {}, "a later sweep does not count"


def test_another_arm_more_of_the_baseline_or_the_same_trials_again_add_none(kept: Kept) -> None:
    kept.sweep("first", {"baseline": range(3), "local": range(3)})
    kept.sweep("again", {"baseline": range(3), "local": range(3)})
    more = kept.sweep("more", {"baseline": range(6), "local": range(3), "global": range(6)})
    assert kept.ledger(more).earlier_looks == {}, "local still rests on the same three pairs of trials"


def test_an_arm_under_another_name_is_the_same_comparison_and_other_data_is_not(kept: Kept) -> None:
    kept.sweep("first", {"baseline": range(3), "local": range(3)})
    renamed = kept.sweep("renamed", {"baseline": range(5), "local": range(5)})
    cells = tuple(c.model_copy(update={"arm": c.arm.replace("local", "mine")}) for c in renamed.cells)
    assert kept.ledger(renamed.model_copy(update={"cells": cells})).earlier_looks == {("mine", 100): 1}
    assert kept.ledger(renamed.model_copy(update={"data": {"fingerprint": "other"}})).earlier_looks == {}


def test_a_sweep_that_never_ended_is_a_look_only_if_its_trials_did(kept: Kept) -> None:
    kept.sweep("first", {"baseline": range(2), "local": range(2)}, status="interrupted")
    kept.sweep("early", {"baseline": range(3), "local": range(3)}, status="interrupted", ended="2026-01-01T02:10")
    kept.sweep("running", {"baseline": range(4), "local": range(4)}, status="running", ended="")
    last = kept.sweep("last", {"baseline": range(5), "local": range(5)})
    assert kept.ledger(last).earlier_looks == {("local", 100): 1}


def test_sweeps_merged_into_one_were_looked_at_before(kept: Kept) -> None:
    first = kept.sweep("first", {"baseline": range(3), "local": range(3)})
    second = kept.sweep("second", {"baseline": range(3, 6), "local": range(3, 6)})
    both = merge([first, second])
    assert kept.ledger(both).earlier_looks == {("local", 100): 2}
    assert kept.ledger(second).earlier_looks == {}, "no trial of the first is in it"


def test_reads_of_the_test_split_count_sweeps_of_the_same_data_and_each_comparison_once(kept: Kept) -> None:
    kept.sweep("first", {"baseline": range(2), "local": range(2)})
    kept.sweep("again", {"baseline": range(2), "local": range(2), "global": range(2)})
    kept.sweep("elsewhere", {"baseline": range(9), "local": range(9)}, data="other")
    kept.sweep("search", {"": range(7, 9)}, untested=(" 7",), kind="search", baseline="")
    unread = kept.sweep("unread", {"baseline": [20], "weak": [20]}, untested=("baseline 20", "weak 20"))
    found = kept.ledger(unread)
    assert found.sweeps == ("first", "again", "search")
    assert (found.comparisons, found.tested) == (2, frozenset())


def test_trials_of_a_search_that_other_sweeps_read_on_the_test_split_are_counted(kept: Kept) -> None:
    search = kept.sweep("search", {"": range(5)}, untested=(" 0", " 1"), kind="search", baseline="")
    assert kept.ledger(search).tested == {" 2", " 3", " 4"}


def test_failed_trials_add_no_look(kept: Kept) -> None:
    kept.sweep("first", {"baseline": range(3), "local": range(3)})
    failed = [f"{arm} {seed}" for arm in ("baseline", "local") for seed in (3, 4)]
    last = kept.sweep("last", {"baseline": range(5), "local": range(5)}, untested=failed)
    assert kept.ledger(last).earlier_looks == {}
