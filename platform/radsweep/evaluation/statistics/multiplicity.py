"""Several comparisons, and several looks at them: how much of the 5 % each may use.

The intervals of a table hold together: with 95 %, all of them contain the truth, at every look. So a claim that an
interval supports may be made whatever led to its choice: the best of many arms, the first look that shows something.
By Bonferroni each of K comparisons may fail in 5 % / K, whatever the comparisons have in common. The planned looks
share four fifths of that equally. The rest is kept for seeds that are added by hand afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.95
PLANNED = 0.8  # of the error, for looks that the design planned


@dataclass(frozen=True)
class Correction:
    """One look at one table."""

    comparisons: int = 1
    look: int = 1  # 1, 2, ...: each time that more replicates were compared
    planned_looks: int = 1

    @property
    def share(self) -> float:
        """The part of the 5 % that this look may use; over all looks the parts add up to 1."""
        if self.look <= self.planned_looks:
            return PLANNED / self.planned_looks
        unplanned = self.look - self.planned_looks
        return (1 - PLANNED) / (unplanned * (unplanned + 1))

    @property
    def alpha(self) -> float:
        """How often the interval of one comparison may fail at this look."""
        return (1 - LEVEL) * self.share / self.comparisons

    def adjusted(self, p: float) -> float:
        """p of one comparison as it counts among all: below 5 % if and only if its interval excludes 0."""
        return min(1.0, p * self.comparisons / self.share)


ONE = Correction()
