"""Select from records: complete ones, the best trial, and the statistics of a sweep's MLflow run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from radsweep.config.metrics import Metric
from radsweep.evaluation.summary import spread
from radsweep.store.arm_progress import ArmProgress, arm_progress, deciding_size
from radsweep.store.fold_pooling import pool_folds
from radsweep.store.records import ArmSize, CellRecord, PlannedCell, SweepRecord, TuningPlace

Ending = Literal["finished", "interrupted", "failed"]


def is_complete(record: CellRecord, read_test: bool, not_before: str = "") -> bool:
    """True if a record can be reused for its cell; records that ended before `not_before` cannot."""
    return record.status == "finished" and (bool(record.final) or not read_test) and record.ended >= not_before


def without_test(record: CellRecord) -> CellRecord:
    """Return the record without results on the test split, which another sweep may have read."""
    kept = {name: value for name, value in record.chance.items() if not name.startswith("test/")}
    pool = {name: value for name, value in record.pool.items() if not name.startswith("test/")}
    return record.model_copy(update={"final": {}, "chance": kept, "pool": pool})


def allowed(sweep: SweepRecord, records: Mapping[str, CellRecord]) -> dict[str, CellRecord]:
    """Mask test results that the sweep's design does not allow: those of a search's losers and of tuning trials."""
    masked = {cell.key for cell in sweep.tuning} - {cell.key for cell in sweep.cells}
    if sweep.kind == "search":
        best = select_best(sweep, sweep.cells, records).recommended
        masked |= {cell.key for cell in sweep.cells} - {best.key if best else ""}
    return {key: without_test(record) if key in masked else record for key, record in records.items()}


def how_it_ended(cells: Sequence[PlannedCell], records: Mapping[str, CellRecord], whole: bool) -> Ending:
    """Return how a sweep ended. Missing records show an interruption: Ray Tune returns normally after Ctrl-C.

    Args:
        whole: no cell will be added any more, since neither a search nor tuning was cut short.
    """
    if not whole or any(cell.key not in records for cell in cells):
        return "interrupted"
    return "finished" if any(records[cell.key].status == "finished" for cell in cells) else "failed"


class Reason(StrEnum):
    """Reason for a sweep's recommendation."""

    BEST_TRIAL = "best trial"  # in a search, or the only trial of a run
    BASELINE_IS_BEST = "baseline is best"
    SHOWN_BETTER = "shown to be better"
    BASELINE_KEPT = "baseline kept"  # an arm has a better mean, but none is shown to be better
    NOT_COMPARED = "not compared"  # the plan has no baseline; the best mean is recommended
    BASELINE_FAILED = "baseline failed"  # too often to be recommended or to compare with, and no arm is shown better
    NO_SIZE_COMPLETE = "no size complete"  # nowhere have the baseline and another arm ended
    NOTHING_FINISHED = "nothing finished"


@dataclass(frozen=True)
class Selection:
    """Result of the rule of "best". best.yaml, winner/, MLflow and the report all mean `recommended`.

    An arm is represented by its first replicate with a number, and a replicate's folds by one pooled cell: the
    replicate with the best score would be selected for its luck.
    """

    reason: Reason
    recommended: PlannedCell | None = None
    candidate: PlannedCell | None = None  # leads on the validation split, but is not recommended: candidate.yaml
    contenders: tuple[PlannedCell, ...] = ()  # one cell for each arm that was ranked, the best first
    failed: tuple[ArmProgress, ...] = ()  # arms that failed too often to be recommended, at the deciding size
    waiting: tuple[ArmProgress, ...] = ()  # arms without all replicates, at the deciding size or a larger one
    undecided: tuple[PlannedCell, ...] = ()  # contenders now, or once what is waiting has ended

    @property
    def leader(self) -> PlannedCell | None:
        """The best on the validation split, recommended or not."""
        return self.contenders[0] if self.contenders else None


def select_best(
    sweep: SweepRecord,
    cells: Iterable[PlannedCell],
    records: Mapping[str, CellRecord],
    better: Collection[tuple[str, int | None]] = (),
    ruled_out: Collection[tuple[str, int | None]] = (),
) -> Selection:
    """Apply the rule of "best" to the records of a sweep.

    Trials are ranked on the validation split. In a search the best finished trial is recommended. In an ablation, arms
    are ranked by their mean at the largest size at which the baseline and another arm have ended all their replicates,
    and the first one is recommended that is the baseline or is shown to be better than it. Arms that are incomplete, or
    of which more than a tenth of the replicates failed, are not ranked. Of equal arms the baseline comes first, then
    the order of the plan decides.

    Args:
        cells: cells of the sweep; their folds may be pooled already.
        records: {key: record}.
        better: (arm, pairs) that the report's analysis shows to be better than the baseline.
        ruled_out: (arm, pairs) shown to be worse than the baseline or equal to it; they are not candidates.
    """
    pooled, records = pool_folds(cells, records)
    if sweep.kind == "ablation":
        return _best_arm(sweep.baseline, arm_progress(pooled, records, sweep.select), better, ruled_out)
    found = [(cell, records[cell.key]) for cell in pooled if cell.key in records and not cell.lower_rung]
    sign = Metric(sweep.select).sign
    scored = [
        (cell, sign * score, record.status)
        for cell, record in found
        if (score := record.best.get(sweep.select)) is not None and math.isfinite(score)
    ]
    finished = [(cell, score) for cell, score, status in scored if status == "finished"]
    if finished:
        best = _best_trial(finished)
        return Selection(Reason.BEST_TRIAL, best, contenders=(best,))
    stopped = [(cell, score) for cell, score, status in scored if status == "stopped"]
    if stopped:
        best = _best_trial(stopped)
        return Selection(Reason.NOTHING_FINISHED, candidate=best, contenders=(best,))
    return Selection(Reason.NOTHING_FINISHED)


def _best_trial(scored: Iterable[tuple[PlannedCell, float]]) -> PlannedCell:
    return max(scored, key=lambda one: (one[1], -one[0].number))[0]


def _best_arm(
    baseline: str,
    found: Sequence[ArmProgress],
    better: Collection[ArmSize],
    ruled_out: Collection[ArmSize],
) -> Selection:
    arms = deciding_size(found, baseline)
    reached = [progress for progress in found if not arms or _size(progress) >= _size(arms[0])]
    waiting = tuple(progress for progress in reached if not progress.complete)
    undecided = tuple(progress.representative for progress in reached if progress.scored)
    if not undecided:
        return Selection(Reason.NOTHING_FINISHED)
    if not arms and waiting:
        return Selection(Reason.NO_SIZE_COMPLETE, waiting=waiting, undecided=undecided)
    if not arms:
        failed = tuple(progress for progress in found if progress.arm == baseline)
        return Selection(Reason.BASELINE_FAILED, failed=failed, undecided=undecided)
    size = arms[0].pairs
    failed = tuple(progress for progress in arms if progress.complete and progress.failed_too_often)
    entered = [progress for progress in arms if progress.complete and progress.scored]
    kept = [progress for progress in entered if progress.arm == baseline or not progress.failed_too_often]
    ranked = sorted(kept, key=lambda progress: (-progress.mean, progress.arm != baseline))
    contenders = tuple(progress.representative for progress in ranked)
    rest: dict[str, Any] = {"contenders": contenders, "failed": failed, "waiting": waiting, "undecided": undecided}
    names = [progress.arm for progress in ranked]
    if baseline not in names:
        reason = Reason.NOT_COMPARED if ranked else Reason.NOTHING_FINISHED
        return Selection(reason, contenders[0] if ranked else None, **rest)
    place = next(i for i, arm in enumerate(names) if arm == baseline or (arm, size) in better)
    promising = place > 0 and (names[0], size) not in ruled_out
    candidate = contenders[0] if promising else None
    if names[place] != baseline:
        return Selection(Reason.SHOWN_BETTER, contenders[place], candidate, **rest)
    if ranked[place].failed_too_often:
        return Selection(Reason.BASELINE_FAILED, None, candidate, **rest)
    reason = Reason.BASELINE_KEPT if place else Reason.BASELINE_IS_BEST
    return Selection(reason, contenders[place], candidate, **rest)


def _size(progress: ArmProgress) -> float:
    return math.inf if progress.pairs is None else progress.pairs


def statistics(sweep: SweepRecord, records: Mapping[str, CellRecord]) -> dict[str, float]:
    """Summarise replicates: {`arm/local/300/test/text_to_image/recall_at_10/mean`: value, .../deviation}."""
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
) -> dict[TuningPlace, dict[str, Any]]:
    """Choose the values of each tuning: those of its trial with the best validation metric, the first of equals.

    Failed trials are not considered. A tuning whose trials all failed has no entry.
    """
    sign = Metric(select).sign
    by_place: dict[TuningPlace, list[tuple[float, int, dict[str, Any]]]] = defaultdict(list)
    for cell in tuning:
        record = records.get(cell.key)
        if record is not None and record.status == "finished" and select in record.best:
            by_place[cell.tuning_place].append((sign * record.best[select], -cell.number, cell.tuned))
    return {place: max(found, key=lambda one: one[:2])[2] for place, found in by_place.items()}


def without_choice(
    tuning: Iterable[PlannedCell], records: Mapping[str, CellRecord], chosen: Collection[TuningPlace]
) -> Iterator[str]:
    """Describe each arm and size that lacks cells: none of its tuning trials finished, and why the first did not."""
    failed: dict[ArmSize, list[PlannedCell]] = defaultdict(list)
    for cell in tuning:
        if cell.tuning_place not in chosen:
            failed[cell.arm, cell.pairs].append(cell)
    for (arm, pairs), cells in failed.items():
        size = "all" if pairs is None else f"{pairs:,}"
        lacking = sorted({cell.tuning_replicate + 1 for cell in cells if cell.tuning_replicate is not None})
        part = any(place[:2] == (arm, pairs) for place in chosen)
        of = f" of replicate{'s' * (len(lacking) > 1)} {', '.join(map(str, lacking))}" if part else ""
        yield (
            f"{arm} at {size} pairs is left out{of}: none of its {len(cells):,} tuning trials{' there' * part} "
            f"finished. The first: {records[cells[0].key].error or 'no result'}"
        )
