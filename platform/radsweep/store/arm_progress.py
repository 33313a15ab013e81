"""Progress of an ablation's arms at each size: planned, ended and failed replicates. It decides which size decides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from radsweep.config.metrics import Metric
from radsweep.evaluation.summary import spread
from radsweep.store.records import CellRecord, PlannedCell

MOST_FAILED = 0.1  # share of an arm's replicates; the survivors of more may be the easy ones


@dataclass(frozen=True)
class ArmProgress:
    """Replicates of an arm at a size; scores are oriented so that higher is better."""

    arm: str
    pairs: int | None
    planned: int
    ended: int  # finished or failed
    failed: int  # or finished without a number
    scored: tuple[tuple[PlannedCell, float], ...]  # in the order of the plan

    @property
    def complete(self) -> bool:
        return self.ended == self.planned

    @property
    def failed_too_often(self) -> bool:
        return self.failed > MOST_FAILED * self.planned

    @property
    def mean(self) -> float:
        return spread([score for _, score in self.scored]).mean

    @property
    def representative(self) -> PlannedCell:
        """The first replicate with a number: the best one would be selected for its luck."""
        return self.scored[0][0]


def arm_progress(
    cells: Iterable[PlannedCell], records: Mapping[str, CellRecord], select: str
) -> tuple[ArmProgress, ...]:
    """Progress of each arm and size, in the order of the plan; folds must be pooled already."""
    members: dict[tuple[str, int | None], list[PlannedCell]] = {}
    for cell in sorted(cells, key=lambda cell: cell.number):
        members.setdefault((cell.arm, cell.pairs), []).append(cell)
    return tuple(_progress(planned, records, select) for planned in members.values())


def _progress(planned: Sequence[PlannedCell], records: Mapping[str, CellRecord], select: str) -> ArmProgress:
    ended = [(cell, records[cell.key]) for cell in planned if cell.key in records]
    scored = tuple(
        (cell, Metric(select).sign * score)
        for cell, record in ended
        if record.status == "finished" and math.isfinite(score := record.best.get(select, math.nan))
    )
    failed = len(ended) - len(scored)
    return ArmProgress(planned[0].arm, planned[0].pairs, len(planned), len(ended), failed, scored)


def deciding_size(found: Sequence[ArmProgress], baseline: str) -> tuple[ArmProgress, ...]:
    """Arms at the largest size at which the baseline and another arm are complete; empty without such a size.

    A size at which no replicate of the baseline has a number decides nothing, since nothing can be compared there. A
    plan of one arm needs no other. In a plan without a baseline, any two arms will do.
    """
    names, sizes = {progress.arm for progress in found}, {progress.pairs for progress in found}
    for size in sorted(sizes, key=lambda pairs: math.inf if pairs is None else pairs, reverse=True):
        arms = tuple(progress for progress in found if progress.pairs == size)
        complete = {progress.arm: progress for progress in arms if progress.complete}
        compared = [complete[baseline]] if baseline in complete else [] if baseline in names else complete.values()
        if len(complete) >= min(2, len(names)) and any(progress.scored for progress in compared):
            return arms
    return ()
