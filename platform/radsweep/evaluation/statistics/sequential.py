"""Seeds that are added until each comparison is decided: how much of the error each planned look may use.

The looks are planned after each seed, from `FIRST_LOOK` to the most. They share the same nominal level, as Pocock's do
(1977, Biometrika 64:191-199). Bonferroni over looks and comparisons would waste more than half of it, since looks share
data and comparisons share the baseline. So the level is simulated: arms without a difference and with equal spread, the
smallest p over all comparisons and looks. Where patients vary too, looks have still more in common.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

_SIMULATED = 20_000
_MOST_ARMS = 20  # more are judged as so many and by Bonferroni for the rest


FIRST_LOOK = 3  # seeds: with two, an arm whose seeds vary far more than those of the others mostly goes unnoticed


def planned_looks(most: int) -> int:
    """The number of looks up to `most` seeds."""
    return max(most - FIRST_LOOK + 1, 1)


@lru_cache(maxsize=256)
def look_alpha(arms: int, looks: int, error: float) -> float:
    """Rate at which the interval of one comparison may fail at one look, if any may fail in `error` of sweeps.

    Args:
        arms: compared at one size, the baseline included.
        error: for all comparisons and looks at this size.
    """
    if arms < 2:
        return error
    kept = min(arms, _MOST_ARMS)
    smallest_S = _smallest_p(kept, looks)
    return float(np.quantile(smallest_S, error * (kept - 1) / (arms - 1)))


@lru_cache(maxsize=32)
def _smallest_p(arms: int, looks: int) -> np.ndarray:
    """The smallest p of all comparisons with the baseline at all looks: [simulated sweeps]."""
    rng = np.random.default_rng(0)
    smallest: list[np.ndarray] = []
    for _ in range(10):  # in parts, for memory
        value_SAR = rng.standard_normal((_SIMULATED // 10, arms, FIRST_LOOK + looks - 1))
        smallest.append(
            np.min([_smallest_at(value_SAR[:, :, :seeds]) for seeds in range(FIRST_LOOK, FIRST_LOOK + looks)], axis=0)
        )
    return np.concatenate(smallest)


def _smallest_at(value_SAR: np.ndarray) -> np.ndarray:
    _, arms, seeds = value_SAR.shape
    mean_SA, mean_SR = value_SAR.mean(2), value_SAR.mean(1)
    left_SAR = value_SAR - mean_SA[:, :, None] - mean_SR[:, None] + mean_SA.mean(1)[:, None, None]
    degrees = (arms - 1) * (seeds - 1)
    error_S = np.sqrt(2 * (left_SAR**2).sum((1, 2)) / degrees / seeds)
    farthest_S = np.abs(mean_SA[:, 1:] - mean_SA[:, :1]).max(1) / error_S
    p_S: np.ndarray = 2 * special.stdtr(degrees, -farthest_S)
    return p_S
