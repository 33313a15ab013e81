"""The data-efficiency multiplier: how many times the pairs the baseline would need for what a method reaches.

The baseline's metric is fitted against log n, monotone and straight between the measured sizes; m is the method's
metric at n pairs; multiplier = n_baseline(m) / n. The interval takes percentiles over joint draws of patients and
seeds: the cell means on resampled patients (the shared resamples), plus normal deviations with the seed variance of
`components`, pooled over the arms of a size and independent between sizes. Percentiles over 3 resampled seeds would
cover too little, so each draw's deviations are stretched together by sqrt(nu / chi-squared(nu)), which makes them
Student's t, with nu the degrees of freedom of the difference between the method and the baseline's curve where the two
meet. Nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radsweep.evaluation.statistics.components import components, patient_spread, satterthwaite
from radsweep.evaluation.statistics.curves import crossing, monotone
from radsweep.evaluation.statistics.draws import joint_draws
from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.intervals import LEVEL

Beyond = Literal["", "below", "above"]


@dataclass(frozen=True, kw_only=True)
class Multiplier:
    """A value `beyond` is at the end of the measured range and means at most it (below) or at least it (above)."""

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
        """True if the interval, open at an end beyond the range, holds the value."""
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
    sign = 1.0 if higher_is_better else -1.0
    at_K = np.log(np.array(sizes) / pairs)
    measured_K = sign * np.array([_mean(by_size[size], baseline) for size in sizes])
    reached = sign * _mean(by_size[pairs], arm)
    estimate = float(crossing(monotone(measured_K[None]), at_K, np.array([reached]))[0])

    rng = np.random.default_rng(seed)
    degrees = _degrees(by_size, arm, pairs, baseline, sizes, float(np.clip(estimate, at_K[0], at_K[-1])))
    stretch_B1 = np.sqrt(degrees / rng.chisquare(degrees, (len(by_size[pairs].resampled_BAR), 1)))
    drawn = {size: sign * joint_draws(by_size[size], stretch_B1, rng) for size in sorted({*sizes, pairs})}
    drawn_BK = np.stack([drawn[size][:, by_size[size].arms.index(baseline)] for size in sizes], axis=1)
    drawn_B = drawn[pairs][:, by_size[pairs].arms.index(arm)]
    defined = np.isfinite(drawn_BK).all(1) & np.isfinite(drawn_B)
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


def _degrees(
    by_size: Mapping[int, Estimates], arm: str, pairs: int, baseline: str, sizes: list[int], log_multiplier: float
) -> float:
    """Degrees of freedom of the method's metric less that of the baseline's curve at the estimate."""
    at_K = np.log(np.array(sizes) / pairs)
    share_K = [float(np.interp(log_multiplier, at_K, row_K)) for row_K in np.eye(len(sizes))]
    weights = {size: by_size[size].weights({baseline: -s}) for size, s in zip(sizes, share_K, strict=True) if s}
    weights[pairs] = weights.get(pairs, 0.0) + by_size[pairs].weights({arm: 1.0})
    parts = [components(by_size[size], weight_A) for size, weight_A in weights.items()]
    drawn_B1 = sum(w_A @ by_size[size].resampled_mean_BA.T for size, w_A in weights.items())[:, None]
    patients = patient_spread(by_size[pairs], drawn_B1).of_the_mean
    excess, unsure = sum(part.seeds or 0.0 for part in parts), sum(part.unsure for part in parts)
    return satterthwaite(patients, by_size[pairs].patient_degrees, excess, unsure)
