"""The data-efficiency multiplier: how many times the pairs the baseline would need for what a method reaches.

The baseline's metric is fitted against log n, monotone and straight between the measured sizes; m is the method's
metric at n pairs; multiplier = n_baseline(m) / n. The interval takes percentiles over joint draws of patients (the
shared resamples) and of seeds. A draw of seeds adds to every cell a deviation whose variance is drawn with its own
uncertainty, mean square x degrees of freedom / chi-squared (generalised intervals: Weerahandi 1993, J. Am. Stat.
Assoc. 88:899-905), because the percentiles of a bootstrap over 3 seeds cover too little. Nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radsweep.evaluation.statistics.components import disagreement, mean_squares, patient_covariance
from radsweep.evaluation.statistics.curves import crossing, monotone
from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.intervals import LEVEL

Beyond = Literal["", "below", "above"]


@dataclass(frozen=True, kw_only=True)
class Multiplier:
    """What is `beyond` stands at the end of the measured range and means at most it (below) or at least it (above)."""

    estimate: float
    low: float
    high: float
    level: float
    beyond: Beyond
    low_beyond: Beyond
    high_beyond: Beyond
    share_below: float  # of the draws
    share_above: float
    pairs: int  # of the method
    measured: tuple[int, ...]  # sizes of the baseline
    seeds: int  # the fewest of any size
    patients: int
    queries: int
    draws: int

    def covers(self, value: float) -> bool:
        """Whether the interval, open where it ends beyond the range, holds the value."""
        low = -np.inf if self.low_beyond == "below" else self.low
        high = np.inf if self.high_beyond == "above" else self.high
        return bool(low <= value <= high)


def data_efficiency_multiplier(
    by_size: Mapping[int, Estimates],
    arm: str,
    pairs: int,
    baseline: str,
    *,
    higher_is_better: bool = True,
    level: float = LEVEL,
    seed: int = 0,
) -> Multiplier:
    """Args:
        by_size: by number of pairs, all arms at that size on the same test set with the same resamples.
        pairs: the method's size, one of `by_size`.

    Raises:
        ValueError: a baseline at fewer than 2 sizes, or sizes with different resamples.
    """
    sizes = [size for size in sorted(by_size) if baseline in by_size[size].arms]
    if len(sizes) < 2:
        raise ValueError(f"{baseline} was measured at {len(sizes)} sizes; a multiplier needs it at 2 or more")
    if len({len(by_size[size].resampled_BAR) for size in (*sizes, pairs)}) > 1:
        raise ValueError("sizes differ in their resamples: draw them once and pass the same to all")
    rng = np.random.default_rng(seed)
    sign = 1.0 if higher_is_better else -1.0
    drawn = {size: sign * _joint_draws(by_size[size], rng) for size in sorted({*sizes, pairs})}
    measured_K = sign * np.array([_mean(by_size[size], baseline) for size in sizes])
    reached = sign * _mean(by_size[pairs], arm)
    drawn_BK = np.stack([drawn[size][:, by_size[size].arms.index(baseline)] for size in sizes], axis=1)
    drawn_B = drawn[pairs][:, by_size[pairs].arms.index(arm)]
    defined = np.isfinite(drawn_BK).all(1) & np.isfinite(drawn_B)

    at_K = np.log(np.array(sizes) / pairs)
    estimate = float(crossing(monotone(measured_K[None]), at_K, np.array([reached]))[0])
    draws_B = crossing(monotone(drawn_BK[defined]), at_K, drawn_B[defined])
    low, high = np.quantile(draws_B, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    ends = {"estimate": estimate, "low": float(low), "high": float(high)}
    beyond: dict[str, Beyond] = {name: _beyond(value) for name, value in ends.items()}
    inside = {name: float(np.exp(np.clip(value, at_K[0], at_K[-1]))) for name, value in ends.items()}
    used = [by_size[size] for size in (*sizes, pairs)]
    return Multiplier(
        **inside,
        level=level,
        beyond=beyond["estimate"],
        low_beyond=beyond["low"],
        high_beyond=beyond["high"],
        share_below=float((draws_B == -np.inf).mean()),
        share_above=float((draws_B == np.inf).mean()),
        pairs=pairs,
        measured=tuple(sizes),
        seeds=min(e.replicates for e in used),
        patients=min(e.patients for e in used),
        queries=min(e.queries for e in used),
        draws=len(draws_B),
    )


def _mean(estimates: Estimates, arm: str) -> float:
    return float(estimates.value_AR[estimates.arms.index(arm)].mean())


def _beyond(log_multiplier: float) -> Beyond:
    return "below" if log_multiplier == -np.inf else "above" if log_multiplier == np.inf else ""


def _joint_draws(estimates: Estimates, rng: np.random.Generator) -> np.ndarray:
    """Means over replicates of all arms of one size, patients and seeds drawn anew: [B, A]."""
    mean_A, drawn_BA = estimates.value_AR.mean(1), estimates.resampled_BAR.mean(2)
    stretch = ((estimates.patient_degrees + 1) / estimates.patient_degrees) ** 0.5
    return mean_A + stretch * (drawn_BA - mean_A) + _seed_draws(estimates, rng)


def _seed_draws(estimates: Estimates, rng: np.random.Generator) -> np.ndarray:
    """Deviations of the arms' means over replicates from those over a population of seeds: [B, A]; 0 with one seed."""
    count, (arms, replicates) = len(estimates.resampled_BAR), estimates.value_AR.shape
    if replicates == 1:
        return np.zeros((count, arms))
    _, first_D, same_A = np.unique(estimates.value_AR, axis=0, return_index=True, return_inverse=True)
    squares = mean_squares(estimates.value_AR)
    resampled_BDR = estimates.resampled_BAR[:, first_D]
    mean_BR = resampled_BDR.mean(1)
    common = squares.arms * disagreement(patient_covariance(estimates, mean_BR))
    between_B = _variance_draws(squares.between, squares.between_degrees, common, count, rng)
    normal_BD = rng.standard_normal((count, squares.arms))
    middle_B1 = normal_BD.mean(1, keepdims=True)
    deviation_BD = np.sqrt(between_B)[:, None] * middle_B1
    if squares.within_degrees:
        left = [patient_covariance(estimates, resampled_BDR[:, d] - mean_BR) for d in range(squares.arms)]
        own = sum(disagreement(c_RR) for c_RR in left) / (squares.arms - 1)
        within_B = _variance_draws(squares.within, squares.within_degrees, own, count, rng)
        deviation_BD = deviation_BD + np.sqrt(within_B)[:, None] * (normal_BD - middle_B1)
    return deviation_BD[:, same_A.reshape(-1)] / replicates**0.5


def _variance_draws(square: float, degrees: int, explained: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """A mean square, drawn with its uncertainty, less the part that patients explain already."""
    return np.maximum(square * degrees / rng.chisquare(degrees, count) - explained, 0.0)
