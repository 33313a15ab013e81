"""Intervals of a metric and of paired differences, with both variance parts: `interval_width` has the formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.interval_width import Components, components
from radsweep.evaluation.statistics.multiplicity import LEVEL, ONE, Correction


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate, its interval, and what they rest on."""

    estimate: float
    low: float
    high: float
    level: float
    standard_error: float
    patient_variance: float
    patient_degrees: float
    seed_variance: float | None  # None with a single seed
    seed_degrees: float | None
    seeds: int
    patients: int
    queries: int

    @property
    def rests_on(self) -> str:
        """For people: what the interval speaks of."""
        queries = f"{self.queries:,} queries of {self.patients:,} patients"
        if self.seed_variance is None:
            return f"1 seed and {queries}; only other patients, how seeds vary is unknown"
        return f"{self.seeds} seeds and {queries}"


@dataclass(frozen=True, kw_only=True)
class Difference(Interval):
    """A contrast that is 0 where nothing matters. The intervals of a table hold together, with its `level`.

    `p` is two-sided; `p_adjusted` is below 1 - level if and only if the interval excludes 0.
    """

    p: float
    p_adjusted: float
    correction: Correction
    parts: Components

    @property
    def clear(self) -> bool:
        """True if the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def within(self, margin: float) -> bool:
        """True if the interval lies between -margin and margin."""
        return -margin < self.low and self.high < margin


def level_interval(estimates: Estimates, arm: str, *, level: float = LEVEL, bounded: bool = True) -> Interval:
    """The mean of one arm over queries and seeds.

    Args:
        bounded: the metric is in [0, 1]: the interval is symmetric in the logit, and stays inside. Where every value
            is 0 or every value is 1 it is that of Clopper and Pearson (1934) with a trial for each patient (AUROC:
            of the rarer side). Otherwise the metric is a rank, which is 1 or more.
    """
    found = components(estimates, estimates.weights({arm: 1.0}))
    half = found.half_width(1 - level)
    low, high = found.estimate - half, found.estimate + half
    if not bounded:
        low, high = max(low, 1.0), min(high, 1.0 + estimates.span)
    elif 0 < found.estimate < 1:
        middle, slope = special.logit(found.estimate), found.estimate * (1 - found.estimate)
        low, high = (float(special.expit(middle + side * half / slope)) for side in (-1, 1))
    else:
        room = ((1 - level) / 2) ** (1 / (estimates.patient_degrees + 1))
        low, high = (0.0, 1 - room) if found.estimate <= 0 else (room, 1.0)
    return Interval(low=low, high=high, level=level, **_basis(estimates, found))


def difference(estimates: Estimates, arm: str, against: str, correction: Correction = ONE) -> Difference:
    """`arm` minus `against`, paired by query and replicate."""
    return contrast_of_means(estimates, {arm: 1.0, against: -1.0} if arm != against else {}, correction)


def contrast_of_means(estimates: Estimates, weight_of: Mapping[str, float], correction: Correction = ONE) -> Difference:
    """Any weighted sum of arms, such as an interaction, paired by query and replicate."""
    weight_A = estimates.weights(weight_of)
    found = components(estimates, weight_A)
    half = found.half_width(correction.alpha)
    most = estimates.span * float(np.abs(weight_A).sum()) / 2
    p = found.p_value()
    return Difference(
        low=max(found.estimate - half, -most),
        high=min(found.estimate + half, most),
        level=LEVEL,
        p=p,
        p_adjusted=correction.adjusted(p),
        correction=correction,
        parts=found,
        **_basis(estimates, found),
    )


def _basis(estimates: Estimates, found: Components) -> dict[str, Any]:
    several = estimates.replicates > 1
    return {
        "estimate": found.estimate,
        "standard_error": found.variance**0.5,
        "patient_variance": found.patients.variance,
        "patient_degrees": found.patients.degrees,
        "seed_variance": found.seed_variance if several else None,
        "seed_degrees": found.seed_degrees if found.seeds else None,
        "seeds": estimates.replicates,
        "patients": estimates.patients,
        "queries": estimates.queries,
    }
