"""Replicates summarised and compared. Replicate r is the same subset and the same start in every arm: paired."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FEWEST_REPLICATES = 3
CLEAR_RATIO = 3.0  # of mean to standard deviation of the paired differences; at 3 replicates t = 5.2
Replicate = tuple[int, int]  # subset seed, initialisation seed


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) over `n` replicates; no deviation from one."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Comparison:
    """An arm against the baseline over the replicates that both have; differences are arm minus baseline."""

    arm: Spread
    baseline: Spread
    difference: Spread
    differences: tuple[float, ...]  # in the order of the replicates
    replicates: tuple[Replicate, ...]

    @property
    def enough(self) -> bool:
        return self.difference.n >= FEWEST_REPLICATES

    @property
    def one_direction(self) -> bool:
        return all(d > 0 for d in self.differences) or all(d < 0 for d in self.differences)

    @property
    def beyond_spread(self) -> bool:
        """True if the mean difference is at least CLEAR_RATIO times the standard deviation of the differences."""
        return abs(self.difference.mean) >= CLEAR_RATIO * (self.difference.deviation or 0.0)


def spread(values: Sequence[float]) -> Spread:
    """Raises statistics.StatisticsError on no values."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation, len(values))


def compare(arm: Mapping[Replicate, float], baseline: Mapping[Replicate, float]) -> Comparison | None:
    """The paired comparison over shared replicates; None where they share none."""
    shared = tuple(sorted(arm.keys() & baseline.keys()))
    if not shared:
        return None
    differences = tuple(arm[r] - baseline[r] for r in shared)
    return Comparison(
        arm=spread([arm[r] for r in shared]),
        baseline=spread([baseline[r] for r in shared]),
        difference=spread(differences),
        differences=differences,
        replicates=shared,
    )
