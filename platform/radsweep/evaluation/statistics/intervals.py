"""Intervals of a metric and of paired differences, with both variance components: see `components` for the formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from radsweep.evaluation.statistics.components import Components, components
from radsweep.evaluation.statistics.estimates import Estimates

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate, its interval, and what they rest on."""

    estimate: float
    low: float
    high: float
    level: float
    standard_error: float
    degrees_of_freedom: float
    patient_variance: float
    seed_variance: float | None  # beyond what patients explain; None with a single seed
    seeds: int
    patients: int
    queries: int

    @property
    def no_variation(self) -> bool:
        """True if nothing varied, neither between patients nor between seeds: the interval then says little."""
        return self.standard_error == 0

    @property
    def rests_on(self) -> str:
        """For people: what the interval speaks of."""
        queries = f"{self.queries:,} queries of {self.patients:,} patients"
        if self.seed_variance is None:
            return f"1 seed and {queries}; only other patients, how seeds vary is unknown"
        return f"{self.seeds} seeds and {queries}"


@dataclass(frozen=True, kw_only=True)
class Difference(Interval):
    """A contrast that is 0 where nothing matters; `p` is two-sided, of the same variance as the interval."""

    p: float


def level_interval(estimates: Estimates, arm: str, *, level: float = LEVEL, bounded: bool = True) -> Interval:
    """The mean of one arm over queries and seeds.

    Args:
        bounded: the metric is in [0, 1]: the interval is symmetric in the logit, and stays inside. Where every value
            is 0 or every value is 1 it is that of Clopper and Pearson (1934) with a trial for each patient (AUROC:
            of the rarer side).
    """
    found = components(estimates, estimates.weights({arm: 1.0}))
    half = _half_width(found, level)
    low, high = found.estimate - half, found.estimate + half
    if bounded and 0 < found.estimate < 1:
        middle, slope = special.logit(found.estimate), found.estimate * (1 - found.estimate)
        low, high = (float(special.expit(middle + side * half / slope)) for side in (-1, 1))
    elif bounded:
        room = ((1 - level) / 2) ** (1 / (estimates.patient_degrees + 1))
        low, high = (0.0, 1 - room) if found.estimate <= 0 else (room, 1.0)
    return Interval(low=low, high=high, level=level, **_basis(estimates, found))


def difference(estimates: Estimates, arm: str, against: str, *, level: float = LEVEL) -> Difference:
    """`arm` minus `against`, paired by query and replicate."""
    return contrast_of_means(estimates, {arm: 1.0, against: -1.0} if arm != against else {}, level=level)


def contrast_of_means(estimates: Estimates, weight_of: Mapping[str, float], *, level: float = LEVEL) -> Difference:
    """Any weighted sum of arms, such as an interaction, paired by query and replicate."""
    found = components(estimates, estimates.weights(weight_of))
    half = _half_width(found, level)
    p = two_sided_p(found.estimate, found.variance**0.5, found.degrees_of_freedom, estimates.patient_degrees)
    low, high = found.estimate - half, found.estimate + half
    return Difference(low=low, high=high, level=level, p=p, **_basis(estimates, found))


def two_sided_p(estimate: float, standard_error: float, degrees: float, patient_degrees: int) -> float:
    """Two-sided p of Student's t. Without any variation: 1 for no difference, else the smallest p of a sign test."""
    if standard_error > 0:
        return float(2 * stats.t.sf(abs(estimate) / standard_error, degrees))
    return 1.0 if estimate == 0 else float(2.0**-patient_degrees)


def _half_width(found: Components, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, found.degrees_of_freedom) * np.sqrt(found.variance))


def _basis(estimates: Estimates, found: Components) -> dict[str, Any]:
    return {
        "estimate": found.estimate,
        "standard_error": found.variance**0.5,
        "degrees_of_freedom": found.degrees_of_freedom,
        "patient_variance": found.patients,
        "seed_variance": found.seeds,
        "seeds": estimates.replicates,
        "patients": estimates.patients,
        "queries": estimates.queries,
    }
