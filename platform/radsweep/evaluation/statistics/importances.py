"""Importances of searched keys: fANOVA over the trials of a search. Observational, not an experiment.

A forest finds shares in noise too: of 40 trials without any effect, the first of 6 keys gets about a fifth. So a key
counts only if its share exceeds what the largest share of any key reaches if the scores are permuted over the trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from radsweep.config.search import Dimension
from radsweep.evaluation.statistics.fanova import Factor, variance_shares

FEWEST_TRIALS = 10
CHANCE = 0.05  # probability that noise gives any key an importance
TREES, TREES_OF_A_RESAMPLE, TREES_OF_A_PERMUTATION = 64, 16, 8  # fewer trees only make the reference higher
OBSERVATIONAL = (
    "Observational: the search chose where to look, so that keys are not varied evenly or one by one. "
    "A share says how much of the spread between trials goes with a key, not what changing it would do."
)


@dataclass(frozen=True)
class Importance:
    """A key's share of the variance between trials, by itself; the interval is over resampled trials."""

    key: str
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Importances:
    keys: tuple[Importance, ...]  # those that exceed chance, largest first
    chance: tuple[str, ...]  # keys that cannot be distinguished from chance
    reference: float  # share that the largest of all keys stays below in 95 % of permutations
    left_out: tuple[str, ...]  # keys that not every trial has (conditions), or of a single value
    level: float
    trials: int
    resamples: int
    permutations: int
    note: str = OBSERVATIONAL

    @property
    def rest(self) -> float:
        """Share that no key of `keys` explains by itself: other keys, combinations and noise."""
        return max(0.0, 1 - sum(key.estimate for key in self.keys))


def fanova_importances(
    params: Sequence[Mapping[str, Any]],
    values: Sequence[float],
    space: Mapping[str, Dimension],
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 40,
    permutations: int = 200,
) -> Importances:
    """Shares of variance that exceed chance; a `loguniform` key counts in its logarithm.

    The reference is the distribution of the largest share of any key if the scores are permuted over the trials
    (Westfall and Young 1993, Resampling-Based Multiple Testing): noise gives some key an importance in at most 5 % of
    searches whose trials were placed without regard to their scores.

    Args:
        params: by trial, searched key: what it was.
        values: the metric of each trial.

    Raises:
        ValueError: fewer than 10 trials, values that are not finite or all equal, no key that varies.
    """
    found = np.asarray(values, dtype=np.float64)
    if len(params) != len(found) or len(found) < FEWEST_TRIALS or not np.isfinite(found).all():
        raise ValueError(f"expected a finite value for each of at least {FEWEST_TRIALS} trials, found {len(found)}")
    if np.ptp(found) == 0:
        raise ValueError("all trials have the same value: there is nothing to explain")
    keys = [key for key, dimension in space.items() if _varies(dimension) and all(key in trial for trial in params)]
    if not keys:
        raise ValueError("no key varies in every trial")
    factors = [_factor(space[key], [trial[key] for trial in params]) for key in keys]
    shares = variance_shares(factors, found, trees=TREES, seed=seed)
    rng = np.random.default_rng(seed)
    reference = _reference(factors, found, rng, permutations)
    drawn = np.stack([_resampled(factors, found, rng) for _ in range(resamples)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    importances = [
        Importance(key, float(shares[n]), float(low[n]), float(high[n]))
        for n, key in enumerate(keys)
        if shares[n] > reference
    ]
    return Importances(
        keys=tuple(sorted(importances, key=lambda importance: -importance.estimate)),
        chance=tuple(key for n, key in enumerate(keys) if shares[n] <= reference),
        reference=reference,
        left_out=tuple(key for key in space if key not in keys),
        level=level,
        trials=len(found),
        resamples=resamples,
        permutations=permutations,
    )


def _reference(factors: Sequence[Factor], score_N: np.ndarray, rng: np.random.Generator, permutations: int) -> float:
    """The largest share under permutation, at the rank that makes the test exact (1 if there are too few)."""
    largest = [
        variance_shares(factors, rng.permutation(score_N), trees=TREES_OF_A_PERMUTATION, seed=n).max()
        for n in range(permutations)
    ]
    rank = math.ceil((1 - CHANCE) * (permutations + 1))
    return float(np.sort(largest)[rank - 1]) if rank <= permutations else 1.0


def _resampled(factors: Sequence[Factor], score_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shares of trials that are drawn with replacement, and do not all have one value."""
    while True:
        chosen = rng.integers(len(score_N), size=len(score_N))
        if np.ptp(score_N[chosen]) > 0:
            break
    again = [replace(factor, value_N=factor.value_N[chosen]) for factor in factors]
    return variance_shares(again, score_N[chosen], trees=TREES_OF_A_RESAMPLE, seed=0)


def _varies(dimension: Dimension) -> bool:
    return dimension.choice is None or len(dimension.choice) > 1


def _factor(dimension: Dimension, values: Sequence[Any]) -> Factor:
    """As it was searched."""
    if dimension.choice is not None:
        places = [_place(dimension.choice, value) for value in values]
        return Factor(np.array(places, dtype=np.float64), options=len(dimension.choice))
    low, high = dimension.extremes()
    value_N = np.clip(np.array(values, dtype=np.float64), low, high)
    if dimension.loguniform is not None:
        return Factor(np.log(value_N), math.log(low), math.log(high))
    return Factor(value_N, low, high)


def _place(options: Sequence[Any], value: Any) -> int:
    option = tuple(value) if isinstance(value, list) else value
    return next(i for i, o in enumerate(options) if o == option and type(o) is type(option))
