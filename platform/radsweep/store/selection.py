"""Which records are complete, which trial is best, and the statistics of a sweep's MLflow run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from radsweep.config.metrics import Metric
from radsweep.evaluation.summary import spread
from radsweep.store.fold_pooling import fold_keys, pool_folds
from radsweep.store.records import CellRecord, Place, PlannedCell, SweepRecord

Ending = Literal["finished", "interrupted", "failed"]


def is_complete(record: CellRecord, read_test: bool, since: str = "") -> bool:
    """Whether a record answers for its cell, so that it need not run again; older ones than `since` do not."""
    return record.status == "finished" and (bool(record.final) or not read_test) and record.ended >= since


def without_test(record: CellRecord) -> CellRecord:
    """As a trial sees it that may not read the test split, where another sweep's has read it."""
    kept = {name: value for name, value in record.chance.items() if not name.startswith("test/")}
    pool = {name: value for name, value in record.pool.items() if not name.startswith("test/")}
    return record.model_copy(update={"final": {}, "chance": kept, "pool": pool})


def allowed(sweep: SweepRecord, records: Mapping[str, CellRecord]) -> dict[str, CellRecord]:
    """The records as the sweep's design lets them be seen: tests of a search's winner, and of no trial that tunes."""
    blind = {cell.key for cell in sweep.tuning} - {cell.key for cell in sweep.cells}
    if sweep.kind == "search":
        best = winner(sweep.cells, records, sweep.select)
        blind |= {cell.key for cell in sweep.cells} - {best.key if best else ""}
    return {key: without_test(record) if key in blind else record for key, record in records.items()}


def how_it_ended(cells: Sequence[PlannedCell], records: Mapping[str, CellRecord], whole: bool) -> Ending:
    """Ray Tune takes Ctrl-C itself and returns as if all were done: what has no record tells.

    Args:
        whole: no cell will be added any more: a search was not cut short, nor the tuning of an ablation.
    """
    if not whole or any(cell.key not in records for cell in cells):
        return "interrupted"
    return "finished" if any(records[cell.key].status == "finished" for cell in cells) else "failed"


def winner(cells: Iterable[PlannedCell], records: Mapping[str, CellRecord], select: str) -> PlannedCell | None:
    """The finished cell with the best validation metric, of an ablation at its largest size; test has no say.

    The folds of a replicate are judged as one, and stand for it by the first of them.
    """
    sign = Metric(select).sign
    cells = list(cells)
    pooled, records = pool_folds(cells, records)
    finished = [
        (record.pairs if cell.arm else 0, sign * record.best[select], -cell.number, cell)
        for cell in pooled
        if (record := records.get(cell.key))
        and record.status == "finished"
        and select in record.best
        and not cell.lower_rung
    ]
    if not finished:
        return None
    first = fold_keys(max(finished, key=lambda entry: entry[:3])[3].key)[0]
    return next(cell for cell in cells if cell.key == first)


def statistics(sweep: SweepRecord, records: Mapping[str, CellRecord]) -> dict[str, float]:
    """{`arm/local/300/test/text_to_image/recall_at_10/mean`: value, .../deviation} over replicates."""
    values: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    test = str(Metric(sweep.select).on("test"))
    cells, records = pool_folds(sweep.cells, records)
    for cell in cells:
        record = records.get(cell.key)
        if record is None or record.status != "finished" or not cell.arm:
            continue
        for name, value in ((sweep.select, record.best.get(sweep.select)), (test, record.final.get(test))):
            if value is not None:
                values[cell.arm, record.pairs, name].append(value)
    result: dict[str, float] = {}
    for (arm, pairs, name), numbers in values.items():
        summary = spread(numbers)
        result[f"arm/{arm}/{pairs}/{name}/mean"] = summary.mean
        if summary.deviation is not None:
            result[f"arm/{arm}/{pairs}/{name}/deviation"] = summary.deviation
    return result


def choices(
    tuning: Iterable[PlannedCell], records: Mapping[str, CellRecord], select: str
) -> dict[Place, dict[str, Any]]:
    """(arm, size) -> the values of its trial with the best validation metric, the first of equal ones.

    Trials that failed lose; an arm of which all failed at a size has no entry there.
    """
    sign = Metric(select).sign
    by_place: dict[Place, list[tuple[float, int, dict[str, Any]]]] = defaultdict(list)
    for cell in tuning:
        record = records.get(cell.key)
        if record is not None and record.status == "finished" and select in record.best:
            by_place[cell.arm, cell.pairs].append((sign * record.best[select], -cell.number, cell.tuned))
    return {place: max(found, key=lambda one: one[:2])[2] for place, found in by_place.items()}


def without_choice(
    tuning: Iterable[PlannedCell], records: Mapping[str, CellRecord], chosen: Container[Place]
) -> Iterator[str]:
    """Each arm and size that has no cells: none of the trials that tuned it finished, and why the first did not."""
    failed: dict[Place, list[PlannedCell]] = defaultdict(list)
    for cell in tuning:
        if (cell.arm, cell.pairs) not in chosen:
            failed[cell.arm, cell.pairs].append(cell)
    for (arm, pairs), cells in failed.items():
        size = "all" if pairs is None else f"{pairs:,}"
        yield (
            f"{arm} at {size} pairs is left out: none of its {len(cells):,} tuning trials finished. "
            f"The first: {records[cells[0].key].error or 'no result'}"
        )
