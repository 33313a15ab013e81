"""Importances of searched keys: fANOVA over the trials of a search. Observational, not an experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from radsweep.config.search import Dimension

FEWEST_TRIALS = 10
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
    keys: tuple[Importance, ...]  # largest first
    together: float  # share of the variance that keys explain only in combination
    left_out: tuple[str, ...]  # keys that not every trial has (conditions), or of a single value
    level: float
    trials: int
    resamples: int
    note: str = OBSERVATIONAL


def fanova_importances(
    params: Sequence[Mapping[str, Any]],
    values: Sequence[float],
    space: Mapping[str, Dimension],
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 40,
) -> Importances:
    """Shares of variance by Optuna's FanovaImportanceEvaluator; a `loguniform` key counts in its logarithm.

    Source: Hutter, Hoos and Leyton-Brown 2014, An Efficient Approach for Assessing Hyperparameter Importance, ICML.

    Args:
        params: by trial, searched key: what it was.
        values: the metric of each trial.

    Raises:
        ValueError: fewer than 10 trials, values that are not finite or all equal, no key that varies.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else a line for each of the forests below
    found = np.asarray(values, dtype=np.float64)
    if len(params) != len(found) or len(found) < FEWEST_TRIALS or not np.isfinite(found).all():
        raise ValueError(f"expected a finite value for each of at least {FEWEST_TRIALS} trials, found {len(found)}")
    if np.ptp(found) == 0:
        raise ValueError("all trials have the same value: there is nothing to explain")
    domains = {key: _distribution(dimension) for key, dimension in space.items()}
    keys = [key for key, domain in domains.items() if not domain.single() and all(key in trial for trial in params)]
    if not keys:
        raise ValueError("no key varies in every trial")
    searched = {key: domains[key] for key in keys}
    encoded = [{key: _encoded(space[key], trial[key]) for key in keys} for trial in params]
    shares = _shares(encoded, found, searched, seed, trees=64)
    rng = np.random.default_rng(seed)
    drawn: list[dict[str, float]] = []
    while len(drawn) < resamples:
        chosen = rng.integers(len(found), size=len(found))
        if np.ptp(found[chosen]) > 0:
            drawn.append(_shares([encoded[i] for i in chosen], found[chosen], searched, seed, trees=16))
    ends = {key: np.quantile([d[key] for d in drawn], [(1 - level) / 2, (1 + level) / 2]) for key in keys}
    importances = [Importance(key, shares[key], float(ends[key][0]), float(ends[key][1])) for key in keys]
    return Importances(
        keys=tuple(sorted(importances, key=lambda importance: -importance.estimate)),
        together=max(0.0, 1 - sum(shares.values())),
        left_out=tuple(key for key in space if key not in keys),
        level=level,
        trials=len(found),
        resamples=resamples,
    )


def _shares(
    params: Sequence[Mapping[str, Any]],
    values: np.ndarray,
    searched: dict[str, BaseDistribution],
    seed: int,
    trees: int,
) -> dict[str, float]:
    study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage())
    for trial, value in zip(params, values.tolist(), strict=True):
        study.add_trial(optuna.trial.create_trial(params=dict(trial), distributions=searched, value=value))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=trees, seed=seed)
    return {key: float(share) for key, share in evaluator.evaluate(study).items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    """As it was searched. Optuna's forest works on plain numbers, so a logarithm is taken here."""
    if dimension.choice is not None:
        return CategoricalDistribution(range(len(dimension.choice)))
    if dimension.int_ is not None:
        return IntDistribution(*dimension.int_)
    low, high = dimension.extremes()
    return FloatDistribution(math.log(low), math.log(high)) if dimension.loguniform else FloatDistribution(low, high)


def _encoded(dimension: Dimension, value: Any) -> Any:
    if dimension.choice is not None:
        option = tuple(value) if isinstance(value, list) else value
        return next(i for i, o in enumerate(dimension.choice) if o == option and type(o) is type(option))
    if dimension.loguniform is not None:
        low, high = dimension.extremes()
        return min(max(math.log(value), math.log(low)), math.log(high))
    return value
