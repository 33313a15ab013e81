"""Several comparisons, and several looks at them: how much of the 5 % each may use.

The intervals of a table hold together: with 95 %, all of them contain the truth, at every look. So a claim that an
interval supports may be made whatever led to its choice: the best of many arms, the first look that shows something.
By Bonferroni each of K comparisons may fail in 5 % / K, whatever the comparisons have in common. Nearly all of the
error is for the first sweep that makes the comparisons, at one look or at as many as `sequential` describes. The rest
is kept for seeds that are added by hand afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from radsweep.evaluation.statistics.sequential import look_alpha

LEVEL = 0.95
PLANNED = 0.95  # of the error, for looks that the design planned


@dataclass(frozen=True)
class Correction:
    """One look at one table."""

    comparisons: int = 1
    look: int = 1  # 1, 2, ...: each sweep that compared more replicates than the one before
    planned_looks: int = 1  # within such a sweep
    arms: int = 2  # compared at one size, the baseline included; of a sweep with several looks

    @property
    def alpha(self) -> float:
        """Rate at which the interval of one comparison may fail at this look."""
        later = self.look - 1
        error = (1 - LEVEL) * ((1 - PLANNED) / (later * (later + 1)) if later else PLANNED)
        if self.planned_looks == 1:
            return error / self.comparisons
        return look_alpha(self.arms, self.planned_looks, error * (self.arms - 1) / self.comparisons)

    def adjusted(self, p: float) -> float:
        """p of one comparison as it counts among all: below 5 % if and only if its interval excludes 0."""
        return min(1.0, p * (1 - LEVEL) / self.alpha)


ONE = Correction()
