"""Pruning: stop trials of a search early if their validation scores are worse than those of others.

These are our own rules, since Ray Tune's lose their state when a driver dies and see no trial that was reused from the
store. After a restart they are rebuilt from all curves of the study.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from radsweep.config.search import Search

FEWEST_OTHERS = 3  # fewest other trials for a median


class RungScore(NamedTuple):
    """Scores of a trial at its t-th validation."""

    best: float  # so far: the score of its selected checkpoint
    mean: float  # so far, from the grace period on


class Stopping:
    """Pruning rules, called for every validation of every trial; time is counted in validations."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.reached: defaultdict[int, dict[Hashable, RungScore]] = defaultdict(dict)  # validations -> trial -> scores

    def validated(self, trial: Hashable, scores: Sequence[float]) -> bool:
        """Return True if a trial stops after its latest validation.

        Args:
            scores: all scores of the trial so far, in order; higher is better.
        """
        time, grace = len(scores), self.search.grace_period
        own = RungScore(max(scores), float(np.mean(scores[grace - 1 :])) if time >= grace else scores[-1])
        others = [reached for other, reached in self.reached[time].items() if other != trial]
        self.reached[time][trial] = own
        if time < grace or not others:
            return False
        if self.search.scheduler == "median":
            return len(others) >= FEWEST_OTHERS and own.best < float(np.median([other.mean for other in others]))
        if self.search.scheduler == "asha" and self.is_rung(time):
            kept = 100 * (1 - 1 / self.search.reduction_factor)
            return own.best < float(np.percentile([other.best for other in others], kept))
        return False

    def is_rung(self, time: int) -> bool:
        """True if ASHA decides now: after grace, grace x reduction, grace x reduction^2, ... validations."""
        rung = self.search.grace_period
        while rung < time:
            rung *= self.search.reduction_factor
        return rung == time

    def forget(self, trial: Hashable) -> None:
        """Forget a trial that failed or starts again, so that others are not compared with it."""
        for reached in self.reached.values():
            reached.pop(trial, None)
