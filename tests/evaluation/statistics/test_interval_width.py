from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.interval_width import (
    LEAST_P,
    Components,
    components,
    difference_of_sizes,
    patient_variance,
)
from radsweep.evaluation.statistics.seeds import VariancePart
from support.replicates import Model, named, unbounded

DIFFERENCE = np.array([1.0, -1.0])


def test_the_parts_are_the_mean_squares_of_replicates_by_patients() -> None:
    """V_P = (MS_patients - MS_error) / (R P), V_I = MS_error / (R P) and, of two arms, V_S = MS_replicates / (R P)."""
    values_ARP = Model(arm_patient=2).draw(np.random.default_rng(0), replicates=4, patients=15)
    change_RP = values_ARP[0] - values_ARP[1]
    table = pd.DataFrame(
        [(r, p, change_RP[r, p]) for r in range(4) for p in range(15)], columns=["replicate", "patient", "value"]
    )
    square = anova_lm(ols("value ~ C(replicate) + C(patient)", table).fit())["mean_sq"]
    found = components(unbounded(named(values_ARP)), DIFFERENCE)
    assert found.estimate == pytest.approx(change_RP.mean())
    assert found.patients.variance == pytest.approx((square["C(patient)"] - square["Residual"]) / 60)
    assert found.patients.degrees == pytest.approx(14)
    assert found.disagreement == pytest.approx(square["Residual"] / 60)
    assert found.seed_variance == pytest.approx(square["C(replicate)"] / 60)
    assert found.seed_degrees == 3


def test_the_parts_have_the_expectation_of_a_balanced_random_model() -> None:
    repeats, model = 600, Model(replicate=3, seed=0.5, patient=3, arm_patient=1, noise=2)
    drawn = []
    for repeat in range(repeats):
        part = components(model.estimates(np.random.default_rng(repeat), replicates=4, patients=25), DIFFERENCE)
        drawn.append((part.estimate, part.patients.variance, part.disagreement, part.seed_variance))
    estimate, *parts = np.transpose(drawn)
    v_p, v_i = 2 * 1 / 25, 2 * 4 / (25 * 4)
    v_s = 2 * 0.25 / 4 + v_i
    for found, expected in zip(parts, (v_p, v_i, v_s), strict=True):
        assert found.mean() == pytest.approx(expected, abs=4 * found.std() / repeats**0.5)
    assert estimate.var() == pytest.approx(v_p + v_s, rel=4 * (2 / repeats) ** 0.5)


def test_a_patient_part_that_comes_out_below_zero_is_zero_and_its_rest_is_disagreement() -> None:
    opposed_PR = np.array([[1.0, -1], [-1, 1], [2, -2], [-2, 2]])
    shared, disagreement = patient_variance(opposed_PR)
    assert (shared, disagreement) == (0.0, pytest.approx(10 / 2))
    assert patient_variance(opposed_PR[:, :1]) == (10.0, 0.0)


def test_each_part_keeps_its_own_quantile_of_students_t() -> None:
    found = Components(1.0, VariancePart(4.0, 30), (VariancePart(2.0, 2), VariancePart(1.0, 8)), disagreement=0.5)
    for alpha in (0.05, 0.01):
        patients, few, more = (stats.t.ppf(1 - alpha / 2, degrees) ** 2 for degrees in (30, 2, 8))
        assert found.half_width(alpha) == pytest.approx((4 * patients + 2 * few + more) ** 0.5)
    assert (found.variance, found.seed_variance, found.seed_degrees) == (7, 3, 2)


def test_a_seed_variance_below_the_disagreement_of_replicates_does_not_count() -> None:
    found = Components(1.0, VariancePart(4.0, 30), (VariancePart(0.01, 8),), disagreement=3.0)
    assert found.half_width(0.05) == pytest.approx(7**0.5 * stats.t.ppf(0.975, 30))
    assert found.variance == 7


def test_where_nothing_varies_a_patient_who_differs_may_still_exist() -> None:
    found = Components(0.0, VariancePart(0.0, 39), (), span=2.0)
    assert found.half_width(0.05) == pytest.approx(2 * stats.binomtest(0, 40).proportion_ci(0.95, "exact").high)
    assert Components(0.5, VariancePart(0.0, 39), ()).p_value() == pytest.approx(2 * 0.5**40, rel=1e-6)
    assert Components(0.001, VariancePart(0.0, 39), ()).p_value() == 1


def test_p_is_that_of_students_t_for_one_part_and_ends_the_interval_at_zero_for_several() -> None:
    for estimate in (-0.3, 0.5, 4.0, 12.0):
        alone = Components(estimate, VariancePart(0.7, 12), ())
        assert alone.p_value() == pytest.approx(2 * stats.t.sf(abs(estimate) / 0.7**0.5, 12), rel=1e-6)
        both = Components(estimate, VariancePart(0.7, 12), (VariancePart(0.4, 3),), disagreement=0.1)
        assert both.half_width(both.p_value()) == pytest.approx(abs(estimate))
    assert Components(0.0, VariancePart(0.7, 12), ()).p_value() == 1
    assert Components(1e9, VariancePart(0.7, 12), ()).p_value() == LEAST_P


def test_the_range_of_a_contrast_is_the_larger_of_its_two_sides() -> None:
    estimates = Estimates(
        tuple("abcd"), np.ones((4, 1)), np.zeros((9, 4, 1)), patients=9, queries=9, patient_degrees=8, span=10.0
    )
    assert components(estimates, np.array([1.0, -1, -1, 1])).span == 20
    assert components(estimates, np.array([1.0, 0, 0, 0])).span == 10
    assert components(estimates, np.zeros(4)).half_width(0.05) == 0


def test_of_two_sizes_seeds_are_independent_and_patients_are_the_same() -> None:
    repeats, model = 500, Model(replicate=0.5, seed=0.5, patient=3, arm_patient=1, noise=2)
    drawn = []
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        values_ARP = model.draw(rng, arms=2, replicates=3, patients=25)
        ease_P = 3 * rng.normal(size=25)
        first = unbounded(named(values_ARP + ease_P))
        second = unbounded(named(model.draw(rng, arms=2, replicates=4, patients=25) + ease_P))
        part = difference_of_sizes(first, "a0", second, "a1")
        drawn.append((part.estimate, part.patients.variance, part.disagreement, part.seed_variance))
    estimate, *parts = np.transpose(drawn)
    v_p = 2 * (9 + 1) / 25  # the ease that both sizes share cancels
    v_i = 4 / 25 * (1 / 3 + 1 / 4)
    v_s = (0.25 + 0.25) * (1 / 3 + 1 / 4) + v_i
    for found, expected in zip(parts, (v_p, v_i, v_s), strict=True):
        assert found.mean() == pytest.approx(expected, abs=4 * found.std() / repeats**0.5)
    assert estimate.var() == pytest.approx(v_p + v_s, rel=4 * (2 / repeats) ** 0.5)


def test_at_one_size_the_difference_of_sizes_is_the_paired_one() -> None:
    estimates = Model().estimates(np.random.default_rng(0))
    assert difference_of_sizes(estimates, "a0", estimates, "a1") == components(estimates, DIFFERENCE)
