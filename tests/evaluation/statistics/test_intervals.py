from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols

from radsweep.evaluation.statistics import (
    Correction,
    Estimates,
    Patients,
    contrast_of_means,
    difference,
    estimate_means,
    level_interval,
)
from support.replicates import Model, named, unbounded

KEPT = 0.05  # of the error, for later looks
PLAIN = 0.95 + 0.05 * KEPT  # level of the first look at one comparison


def without_patients(value_AR: np.ndarray) -> Estimates:
    """Replicates that differ, on patients who all give the same: only seeds are left."""
    return unbounded(named(np.repeat(value_AR[:, :, None], 5, axis=2)))


def test_where_only_seeds_vary_two_arms_are_compared_by_the_paired_t_test() -> None:
    value_AR = 50 + np.random.default_rng(0).normal(size=(2, 4))
    found = difference(without_patients(value_AR), "a0", "a1")
    expected = stats.ttest_rel(*value_AR)
    low, high = expected.confidence_interval(PLAIN)
    assert (found.estimate, found.p) == pytest.approx((np.mean(value_AR[0] - value_AR[1]), expected.pvalue), rel=1e-6)
    assert (found.low, found.high, found.seed_degrees) == pytest.approx((low, high, 3))
    alone = level_interval(without_patients(value_AR[:1]), "a0", bounded=False)
    assert (alone.low, alone.high) == pytest.approx(
        stats.t.interval(0.95, 3, value_AR[0].mean(), stats.sem(value_AR[0]))
    )


def test_where_only_seeds_vary_even_arms_are_compared_by_the_analysis_of_variance_in_blocks() -> None:
    rng = np.random.default_rng(1)
    value_AR = rng.normal(size=(4, 3)) + rng.normal(size=3)
    found = difference(without_patients(value_AR), "a2", "a0", Correction(comparisons=3))
    table = pd.DataFrame(
        [(f"a{arm}", r, v) for arm, row in enumerate(value_AR) for r, v in enumerate(row)],
        columns=["arm", "replicate", "value"],
    )
    fitted = ols("value ~ C(arm) + C(replicate)", table).fit()
    low, high = fitted.conf_int((1 - PLAIN) / 3).loc["C(arm)[T.a2]"]
    p = fitted.pvalues["C(arm)[T.a2]"]
    assert (found.low, found.high, found.p) == pytest.approx((low, high, p), rel=1e-6)
    assert found.p_adjusted == pytest.approx(min(1, 3 * p / (1 - KEPT)), rel=1e-6)
    assert found.seed_degrees == fitted.df_resid


def test_where_only_patients_vary_two_arms_are_compared_by_the_paired_t_test_over_patients() -> None:
    values_ARP = np.random.default_rng(2).normal(size=(2, 1, 30))
    found = difference(unbounded(named(values_ARP)), "a0", "a1")
    expected = stats.ttest_rel(values_ARP[0, 0], values_ARP[1, 0])
    low, high = expected.confidence_interval(PLAIN)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, expected.pvalue), rel=1e-6)
    assert (found.seed_variance, found.seed_degrees) == (None, None)


@pytest.mark.parametrize("seed", range(4))
def test_both_components_follow_the_formula_written_out(seed: int) -> None:
    values_ARP = Model().draw(np.random.default_rng(seed), arms=2, replicates=3, patients=60)
    change_RP = values_ARP[0] - values_ARP[1]
    covariance = np.cov(change_RP) / 60
    v_p = covariance[~np.eye(3, dtype=bool)].mean()
    v_i = (np.trace(covariance) / 3 - v_p) / 3
    v_s = change_RP.mean(1).var(ddof=1) / 3
    t_p, t_s = (stats.t.ppf((1 + PLAIN) / 2, degrees) for degrees in (59, 2))
    found = difference(unbounded(named(values_ARP)), "a0", "a1")
    assert found.high - found.estimate == pytest.approx((t_p**2 * v_p + max(t_s**2 * v_s, t_p**2 * v_i)) ** 0.5)
    assert found.standard_error**2 == pytest.approx(v_p + max(v_s, v_i))
    assert (found.patient_variance, found.seed_variance) == (pytest.approx(v_p), pytest.approx(v_s))
    assert (found.seeds, found.patients, found.queries, found.level) == (3, 60, 60, 0.95)


def test_an_interval_names_the_seeds_queries_and_patients_it_rests_on() -> None:
    values_ARQ = Model().draw(np.random.default_rng(0), replicates=3, patients=90)
    patient_Q = np.arange(90) % 60
    found = difference(unbounded(named(values_ARQ), patient_Q), "a0", "a1")
    assert found.rests_on == "3 seeds and 90 queries of 60 patients"
    one = difference(unbounded(named(values_ARQ[:, :1]), patient_Q), "a0", "a1")
    assert one.rests_on == "1 seed and 90 queries of 60 patients; only other patients, how seeds vary is unknown"


def test_the_same_arm_under_another_name_differs_by_nothing_and_narrows_no_other_interval() -> None:
    values_ARP = Model().draw(np.random.default_rng(5), arms=3)
    twins, plain = unbounded({**named(values_ARP), "twin": values_ARP[0]}), unbounded(named(values_ARP))
    same = difference(twins, "twin", "a0")
    assert (same.estimate, same.p, same.clear) == (0, 1, False)
    assert difference(twins, "a0", "a1") == difference(plain, "a0", "a1")
    itself = difference(twins, "a0", "a0")
    assert (itself.low, itself.high, itself.p) == (0, 0, 1)


def test_constants_have_the_exact_interval_of_patients_of_whom_none_differs() -> None:
    hits = {"none": np.zeros((3, 40)), "all": np.ones((3, 40)), "half": np.full((3, 40), 0.5)}
    estimates = estimate_means(hits, Patients.of(np.arange(40)))
    none, every, half = (level_interval(estimates, arm) for arm in hits)
    exact = stats.binomtest(0, 40).proportion_ci(0.95, "exact")
    assert (none.low, none.high) == pytest.approx((exact.low, exact.high))
    assert (every.low, every.high) == pytest.approx((1 - exact.high, 1.0))
    assert 0 < half.low < 0.5 < half.high < 1
    sure = difference(estimates, "all", "none")
    assert (sure.low, sure.high) == (pytest.approx(((1 - PLAIN) / 2) ** (1 / 40)), 1)
    assert sure.clear


def test_a_level_between_0_and_1_is_symmetric_in_the_logit_and_a_rank_stays_among_the_candidates() -> None:
    hits = (np.random.default_rng(0).random((3, 50)) < 0.02).astype(float)
    estimates = estimate_means({"a": hits}, Patients.of(np.arange(50)))
    found = level_interval(estimates, "a")
    assert 0 < found.low < found.estimate < found.high < 1
    logit_low, middle, logit_high = (np.log(x / (1 - x)) for x in (found.low, found.estimate, found.high))
    assert logit_high + logit_low == pytest.approx(2 * middle)
    ranks = np.ones((1, 20))
    for rank_RQ in (ranks, 100 * ranks, np.where(np.arange(20) < 1, 100.0, ranks)):
        of_ranks = estimate_means({"a": rank_RQ}, Patients.of(np.arange(20)), span=99.0)
        level = level_interval(of_ranks, "a", bounded=False)
        assert 1 <= level.low <= level.estimate <= level.high <= 100
        assert level.low < level.high


def test_an_interaction_is_a_contrast_with_bounds_twice_as_wide() -> None:
    values_ARP = Model().draw(np.random.default_rng(3), arms=4)
    found = contrast_of_means(unbounded(named(values_ARP)), {"a0": 1, "a1": -1, "a2": -1, "a3": 1})
    assert found.estimate == pytest.approx((values_ARP[0] - values_ARP[1] - values_ARP[2] + values_ARP[3]).mean())
    with pytest.raises(KeyError, match="no arm 'z' among a0, a1, a2, a3"):
        contrast_of_means(unbounded(named(values_ARP)), {"z": 1})
    hits = named(np.array([1.0, 0, 0, 1])[:, None, None] * np.ones((1, 1, 4)))
    wide = contrast_of_means(estimate_means(hits, Patients.of(np.arange(4))), {"a0": 1, "a1": -1, "a2": -1, "a3": 1})
    assert (wide.estimate, wide.high) == (2, 2)
    assert wide.low < 1


def test_within_a_margin_means_the_whole_interval() -> None:
    found = difference(unbounded(named(Model().draw(np.random.default_rng(0)))), "a0", "a1")
    largest = max(-found.low, found.high)
    assert found.within(largest * 1.001)
    assert not found.within(largest * 0.999)
