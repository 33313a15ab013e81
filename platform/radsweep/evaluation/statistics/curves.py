"""Metric against the number of training pairs: a learning curve, and its monotone fit in log n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.intervals import LEVEL, Interval, level_interval


@dataclass(frozen=True)
class CurvePoint:
    pairs: int
    interval: Interval


def learning_curve(
    by_size: Mapping[int, Estimates], arm: str, *, level: float = LEVEL, bounded: bool = True
) -> tuple[CurvePoint, ...]:
    """The arm at every size that has it, smallest first; each interval as `level_interval`, pooled over that size."""
    return tuple(
        CurvePoint(size, level_interval(by_size[size], arm, level=level, bounded=bounded))
        for size in sorted(by_size)
        if arm in by_size[size].arms
    )


def monotone(values_BK: np.ndarray) -> np.ndarray:
    """Each row's least-squares fit that never falls: max over i <= k of min over j >= k of the mean from i to j.

    Source: Barlow et al. 1972, Statistical Inference under Order Restrictions (the max-min formula)."""
    sizes = values_BK.shape[1]
    fit_BK = np.full_like(values_BK, -np.inf)
    for i in range(sizes):
        from_BJ = values_BK[:, i:]
        mean_BJ = from_BJ.cumsum(1) / np.arange(1, sizes - i + 1)
        # rounding leaves no mean outside what it is of, so that a flat stretch stays flat
        mean_BJ = mean_BJ.clip(np.minimum.accumulate(from_BJ, axis=1), np.maximum.accumulate(from_BJ, axis=1))
        least_BJ = np.minimum.accumulate(mean_BJ[:, ::-1], axis=1)[:, ::-1]
        np.maximum(fit_BK[:, i:], least_BJ, out=fit_BK[:, i:])
    return fit_BK


def crossing(fit_BK: np.ndarray, at_K: np.ndarray, value_B: np.ndarray) -> np.ndarray:
    """Number of pairs at which each row's curve, straight between its points, reaches a value: [B].

    -inf and inf where it lies below or above the whole curve; the middle of a flat stretch that equals it.
    """
    last = fit_BK.shape[1] - 1
    row_B = np.arange(len(fit_BK))
    ends = []
    for over_BK in (fit_BK >= value_B[:, None], fit_BK > value_B[:, None]):
        right_B = np.where(over_BK.any(1), over_BK.argmax(1), last)
        left_B = np.maximum(right_B - 1, 0)
        low_B, high_B = fit_BK[row_B, left_B], fit_BK[row_B, right_B]
        rise_B = np.where(high_B > low_B, high_B - low_B, 1.0)
        part_B = np.clip(np.where(high_B > low_B, (value_B - low_B) / rise_B, 1.0), 0, 1)
        ends.append(at_K[left_B] + part_B * (at_K[right_B] - at_K[left_B]))
    middle_B = (ends[0] + ends[1]) / 2
    return np.where(value_B < fit_BK[:, 0], -np.inf, np.where(value_B > fit_BK[:, -1], np.inf, middle_B))
