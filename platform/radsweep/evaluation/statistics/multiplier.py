"""The data-efficiency multiplier: how many times the pairs the baseline would need for what a method reaches.

It is read off the sizes at which the baseline was measured. Nothing is drawn between them: how a curve runs from 100
to 1,000 pairs is not known. The lower end is the largest size at which the method is surely better than the baseline,
the upper end the smallest at which it is surely worse. Sizes are tested from the far ends inwards, until one is not
clear: so the interval needs no correction for their number (Marcus, Peritz and Gabriel 1976, Biometrika 63:655-660). It
assumes that more pairs do not hurt the baseline. If its means fall from one size to the next, none is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.interval_width import difference_of_sizes
from radsweep.evaluation.statistics.multiplicity import LEVEL, ONE, Correction

WIDEST_STEP = 4.0  # between two sizes of the baseline, for a straight line in log n to say something in between
ROUNDING = 1e-12  # of a mean over replicates


@dataclass(frozen=True, kw_only=True)
class Multiplier:
    """Times the pairs of the method. An end is None if no measured size shows it."""

    estimate: float | None  # by a straight line in log n; None beyond the measured sizes, or if they are far apart
    low: float | None
    high: float | None
    level: float
    pairs: int  # of the method
    measured: tuple[int, ...]  # sizes of the baseline
    seeds: int  # the fewest of any size

    def covers(self, value: float) -> bool:
        return (self.low or 0.0) <= value <= (self.high or np.inf)


def data_efficiency_multiplier(
    by_size: Mapping[int, Estimates],
    arm: str,
    pairs: int,
    baseline: str,
    *,
    higher_is_better: bool = True,
    correction: Correction = ONE,
) -> Multiplier | None:
    """Return the multiplier; None if the baseline's means fall from one size to the next.

    Args:
        by_size: by number of pairs, all arms at that size on the same test set.
        pairs: the method's size, one of `by_size`.

    Raises:
        ValueError: a baseline at fewer than 2 sizes.
    """
    sizes = [size for size in sorted(by_size) if baseline in by_size[size].arms]
    if len(sizes) < 2:
        raise ValueError(f"{baseline} was measured at {len(sizes)} sizes; a multiplier needs it at 2 or more")
    sign = 1.0 if higher_is_better else -1.0
    curve_K = sign * np.array([_mean(by_size[size], baseline) for size in sizes])
    if (np.diff(curve_K) < -ROUNDING).any():
        return None
    found = {size: difference_of_sizes(by_size[pairs], arm, by_size[size], baseline) for size in sizes}
    half = {size: parts.half_width(correction.alpha) for size, parts in found.items()}
    better = _until(sizes, lambda size: sign * found[size].estimate > half[size])
    worse = _until(sizes[::-1], lambda size: sign * found[size].estimate < -half[size])
    return Multiplier(
        estimate=_estimate(curve_K, sizes, sign * _mean(by_size[pairs], arm), pairs),
        low=better / pairs if better else None,
        high=worse / pairs if worse else None,
        level=LEVEL,
        pairs=pairs,
        measured=tuple(sizes),
        seeds=min(by_size[size].replicates for size in (*sizes, pairs)),
    )


def _until(sizes: Iterable[int], shown: Callable[[int], bool]) -> int | None:
    """The last size, in this order, before the first that does not show it."""
    last = None
    for size in sizes:
        if not shown(size):
            break
        last = size
    return last


def _estimate(curve_K: np.ndarray, sizes: list[int], reached: float, pairs: int) -> float | None:
    if not curve_K[0] <= reached <= curve_K[-1]:
        return None
    right = max(int(np.searchsorted(curve_K, reached)), 1)
    left = right - 1
    if sizes[right] / sizes[left] > WIDEST_STEP:
        return None
    rise = curve_K[right] - curve_K[left]
    part = (reached - curve_K[left]) / rise if rise else 0.5
    return float(sizes[left] * (sizes[right] / sizes[left]) ** part / pairs)


def _mean(estimates: Estimates, arm: str) -> float:
    return float(estimates.value_AR[estimates.arms.index(arm)].mean())
