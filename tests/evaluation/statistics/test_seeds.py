from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from radsweep.evaluation.statistics import Patients, difference, estimate_means
from radsweep.evaluation.statistics.seeds import UNEVEN_LEVEL, critical_share, mean_squares, seed_parts, uneven_arms
from support.replicates import Model, named, unbounded


def test_mean_squares_are_those_of_a_two_way_analysis_of_variance() -> None:
    value_AR = np.random.default_rng(0).normal(size=(4, 3)) + np.random.default_rng(1).normal(size=3)
    table = pd.DataFrame(
        [(arm, replicate, value) for arm, row in enumerate(value_AR) for replicate, value in enumerate(row)],
        columns=["arm", "replicate", "value"],
    )
    expected = anova_lm(ols("value ~ C(arm) + C(replicate)", table).fit())
    between, within = mean_squares(value_AR)
    assert (between.variance, between.degrees) == pytest.approx(tuple(expected.loc["C(replicate)", ["mean_sq", "df"]]))
    assert (within.variance, within.degrees) == pytest.approx(tuple(expected.loc["Residual", ["mean_sq", "df"]]))


def test_the_parts_have_the_expectation_of_the_model_for_levels_differences_and_interactions() -> None:
    """Replicates have the variance 4, arms in a replicate 1: of a level 5, of a difference 2, of an interaction 4."""
    contrasts = {5: [1, 0, 0, 0], 2: [1, -1, 0, 0], 4: [1, -1, -1, 1], 1.5: [1, -0.5, -0.5, 0]}
    repeats, rng, found = 600, np.random.default_rng(0), []
    for _ in range(repeats):
        value_AR = 2 * rng.normal(size=3) + rng.normal(size=(4, 3))
        estimates = unbounded(named(np.repeat(value_AR[:, :, None], 2, axis=2)))
        found.append([sum(p.variance for p in seed_parts(estimates, np.array(c, float))) for c in contrasts.values()])
    expected = np.array(list(contrasts)) / 3
    error = np.std(found, axis=0) / repeats**0.5
    np.testing.assert_allclose((np.mean(found, axis=0) - expected) / error, 0, atol=4)


def test_cochrans_published_critical_values_are_those_of_the_same_bound() -> None:
    """Five independent samples of 3 have .6838 at 5 %. Arms share the means of their replicates: one sample less."""

    def independent(samples: int, size: int, level: float) -> float:
        return float(stats.beta.ppf(1 - level / samples, (size - 1) / 2, (samples - 1) * (size - 1) / 2))

    assert (independent(5, 3, 0.05), independent(5, 3, 0.01)) == pytest.approx((0.6838, 0.7885), abs=5e-5)
    assert (independent(10, 7, 0.05), independent(3, 2, 0.05)) == pytest.approx((0.2823, 0.9669), abs=5e-5)
    for arms, replicates, level in ((5, 3, 0.05), (3, 2, 0.2), (12, 10, 0.01)):
        beta = stats.beta.ppf(1 - level / arms, (replicates - 1) / 2, (arms - 2) * (replicates - 1) / 2)
        assert critical_share(arms, replicates, level) == pytest.approx((1 - 1 / arms) * beta)


@pytest.mark.parametrize(("arms", "replicates", "exact"), [(3, 3, True), (5, 2, True), (5, 3, True), (12, 3, False)])
def test_arms_that_vary_alike_are_called_uneven_as_often_as_the_level_says(
    arms: int, replicates: int, exact: bool
) -> None:
    rng, repeats = np.random.default_rng(0), 3000
    found = np.mean([uneven_arms(rng.normal(size=(arms, replicates))).any() for _ in range(repeats)])
    error = (UNEVEN_LEVEL * (1 - UNEVEN_LEVEL) / repeats) ** 0.5
    assert found <= UNEVEN_LEVEL + 3 * error
    assert found >= (UNEVEN_LEVEL if exact else 0.75 * UNEVEN_LEVEL) - 3 * error


def test_an_arm_with_a_far_larger_spread_is_found_and_two_are_found_one_after_the_other() -> None:
    rng = np.random.default_rng(0)
    value_AR = rng.normal(size=(8, 12))
    value_AR[2] *= 20
    value_AR[5] *= 10
    assert np.flatnonzero(uneven_arms(value_AR)).tolist() == [2, 5]
    assert not uneven_arms(value_AR[[2, 0]]).any(), "of two arms, none can be said to be the uneven one"


@pytest.mark.parametrize(("replicates", "found"), [(3, 0.72), (5, 0.93)])
def test_of_six_arms_one_of_five_times_the_spread_is_found_as_often_as_the_docs_say(
    replicates: int, found: float
) -> None:
    rng, repeats = np.random.default_rng(3), 1500
    spread_A1 = np.array([5.0, 1, 1, 1, 1, 1])[:, None]
    seen = np.mean([uneven_arms(spread_A1 * rng.normal(size=(6, replicates)))[0] for _ in range(repeats)])
    assert seen == pytest.approx(found, abs=3 * (found * (1 - found) / repeats) ** 0.5)


def test_an_uneven_arm_is_compared_by_its_own_spread_and_the_others_are_pooled_without_it() -> None:
    value_AR = np.random.default_rng(1).normal(size=(5, 6))
    value_AR[0] *= 30
    estimates = unbounded(named(np.repeat(value_AR[:, :, None], 2, axis=2)))
    (own,) = seed_parts(estimates, np.array([1.0, -1, 0, 0, 0]))
    assert (own.variance, own.degrees) == (pytest.approx((value_AR[0] - value_AR[1]).var(ddof=1) / 6), 5)
    (pooled,) = seed_parts(estimates, np.array([0, 1.0, -1, 0, 0]))
    assert (pooled.variance, pooled.degrees) == (pytest.approx(2 * mean_squares(value_AR[1:])[1].variance / 6), 15)


def test_the_same_arm_under_two_names_neither_adds_degrees_nor_hides_that_it_is_uneven() -> None:
    value_AR = np.random.default_rng(2).normal(size=(4, 4))
    value_AR[0] *= 30
    four = unbounded(named(np.repeat(value_AR[:, :, None], 2, axis=2)))
    five = unbounded(named(np.repeat(value_AR[[0, 1, 2, 3, 0], :, None], 2, axis=2)))
    for contrast in ([1.0, -1, 0, 0], [0, 1.0, -1, 0], [0, 1.0, 0, 0]):
        assert seed_parts(five, np.array([*contrast, 0])) == seed_parts(four, np.array(contrast))
    assert seed_parts(five, np.array([0, -1.0, 0, 0, 1])) == seed_parts(four, np.array([1.0, -1, 0, 0]))
    assert seed_parts(five, np.array([1.0, 0, 0, 0, -1])) == (), "it does not differ from itself"


def test_one_replicate_has_no_seed_variance() -> None:
    assert seed_parts(Model().estimates(np.random.default_rng(0), replicates=1), np.array([1.0, -1])) == ()


@pytest.mark.parametrize("arms", [2, 4])
def test_replicates_that_agree_by_chance_keep_their_degrees_of_freedom(arms: int) -> None:
    """Else two replicates with the same difference would be taken for proof that seeds do not vary."""
    hits = [(np.arange(40) < 20 + number).astype(float) for number in range(arms)]
    values = {f"arm {number}": np.stack([hit_Q, hit_Q[::-1]]) for number, hit_Q in enumerate(hits)}
    found = difference(estimate_means(values, Patients.of(range(40))), "arm 1", "arm 0")
    assert found.seed_variance == 0
    assert found.seed_degrees == arms - 1
