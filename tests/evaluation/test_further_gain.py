"""The decision if a metric has stopped rising: its answers, and an independent fit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import truncnorm
from statsmodels.api import GLS

from radsweep.evaluation.further_gain import RELATIVE, UNSEEN, Stretches, judge, probability_of_gain

TIME = np.geomspace(300, 3000, 12)


def stretches(level_B: np.ndarray, queries: int = 400, validations: int = 10, seed: int = 0) -> Stretches:
    """Queries of which some are easy; each is drawn again at every validation."""
    rng = np.random.default_rng(seed)
    easy_Q = rng.uniform(0.5, 1.5, queries)
    chance_QB = np.clip(easy_Q[:, None] * level_B, 0, 1)
    value_QB = rng.binomial(validations, chance_QB) / validations
    first_Q = (rng.random(queries) < 0.05).astype(float)
    return Stretches(TIME, np.full(len(TIME), validations), value_QB, 0.0, first_Q)


def asked(found: Stretches) -> str:
    return judge(found, horizon=3000, margin=0.01, chance=0.025)


def test_a_flat_curve_has_converged_and_a_rising_one_is_still_rising() -> None:
    assert asked(stretches(np.full(12, 0.5), 2000)) == "converged"
    assert asked(stretches(0.2 + 0.1 * TIME / 1000, 2000)) == "still rising"


def test_a_falling_curve_has_stopped_rising() -> None:
    assert asked(stretches(0.6 - 0.03 * TIME / 1000, 400)) == "converged"


def test_the_same_curve_needs_more_evidence_on_a_small_split() -> None:
    level_B = 0.05 + 0.45 * (1 - np.exp(-TIME / 700))
    few, many = (stretches(level_B, queries) for queries in (50, 2000))
    assert asked(many) == "converged"
    assert asked(few) == "cannot tell"


def test_queries_that_never_changed_prove_little() -> None:
    """The rule of three: 3 % of queries may yet change if none of 100 did."""
    value_QB = np.repeat((np.arange(100) < 50).astype(float)[:, None], 12, axis=1)
    found = Stretches(TIME, np.full(12, 10), value_QB, 0.0, np.zeros(100))
    few = found._replace(value_QB=value_QB[40:60], first_Q=np.zeros(20))
    fewer, more = (probability_of_gain(each, 3000, 0.01, 0.025) for each in (few, found))
    assert fewer is not None
    assert more is not None
    assert 0 < more < fewer < 1


def test_a_curve_that_is_flat_at_chance_has_not_begun_to_rise() -> None:
    assert asked(stretches(np.full(12, 0.025), 2000)) == "cannot tell"


def test_a_few_stretches_say_nothing() -> None:
    whole = stretches(np.full(12, 0.5), 2000)
    few = whole._replace(time_B=TIME[-5:], count_B=whole.count_B[-5:], value_QB=whole.value_QB[:, -5:])
    assert asked(few) == "cannot tell"
    assert asked(whole._replace(wobble=math.inf)) == "cannot tell", "one validation in each stretch"


def test_what_moves_all_queries_together_weakens_the_evidence() -> None:
    steady = stretches(np.full(12, 0.5), 2000)
    wobbles = (0.0, 0.02**2, 0.2**2)
    doubts = [probability_of_gain(steady._replace(wobble=wobble), 3000, 0.01, 0.025) or 0.0 for wobble in wobbles]
    assert doubts[0] < doubts[1] < doubts[2] < 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("constant", [400.0, 1500.0, 6000.0])
def test_the_probability_equals_that_of_generalised_least_squares(constant: float, seed: int) -> None:
    """statsmodels fits level and gain of each curve, scipy truncates the gain."""
    found = stretches(0.05 + 0.4 * (1 - np.exp(-TIME / constant)), 500, seed=seed)
    kept = TIME[-1] / 8 <= TIME
    time_B, value_QB = TIME[kept] / TIME[-1], found.value_QB[:, kept]
    queries, size = value_QB.shape
    noise_BB = np.cov(value_QB, rowvar=False) / queries + UNSEEN / queries**2 * np.eye(size)
    noise_BB *= (queries - 1) / (queries - size - 1)
    limit = max(RELATIVE * (value_QB[:, -2:].mean() - found.first_Q.mean()), 0.01)

    def curve(time: np.ndarray, constants: tuple[float | None, ...], weight: float) -> np.ndarray:
        parts = [1 - time / 4 if each is None else np.exp(-time / each) for each in constants]
        return np.asarray(weight * parts[0] + (1 - weight) * parts[-1])

    every = [*(2.0**power for power in range(-4, 4)), None]
    shapes: list[tuple[tuple[float | None, ...], float]] = [((one,), 1.0) for one in every]
    shapes += [(pair, weight) for pair in itertools.combinations(every, 2) for weight in (0.25, 0.5, 0.75)]
    weights, above = [], []
    for constants, weight in shapes:
        design = np.column_stack([np.ones(size), -curve(time_B, constants, weight)])
        white = GLS(value_QB.mean(0), design, sigma=noise_BB)
        fit = white.fit()
        away = white.wendog - white.wexog @ fit.params
        constant_only = white.wendog - white.wexog[:, :1] @ np.linalg.lstsq(white.wexog[:, :1], white.wendog)[0]
        gain, error = fit.params[1], np.sqrt(fit.normalized_cov_params[1, 1])
        misfit = away @ away if gain > 0 else constant_only @ constant_only
        weights.append(-misfit / 2)
        now, later = (curve(np.array([at]), constants, weight)[0] for at in (1.0, 2.0))
        above.append(truncnorm.sf(limit / (now - later), -gain / error, np.inf, loc=gain, scale=error))
    expected = np.average(above, weights=np.exp(np.array(weights) - max(weights)))
    assert probability_of_gain(found, 3000, 0.01, 0.025) == pytest.approx(expected, abs=1e-6)
