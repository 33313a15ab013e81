from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols

from radsweep.evaluation.statistics import (
    Estimates,
    PatientResamples,
    contrast_of_means,
    difference,
    estimate_means,
    level_interval,
)


def without_patients(values: dict[str, np.ndarray], patients: int = 1000) -> Estimates:
    """Replicates that differ, on patients who all give the same: only seeds are left."""
    alike = {arm: np.repeat(v[:, None], patients, axis=1) for arm, v in values.items()}
    return estimate_means(alike, PatientResamples.draw(np.arange(patients), count=20))


def drawn(seed: int, arms: int = 3, replicates: int = 3, patients: int = 60) -> tuple[Estimates, np.ndarray]:
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    values = rng.normal(size=(arms, replicates, len(patient))) + rng.normal(size=(arms, 1, patients))[..., patient]
    values += 0.2 * rng.normal(size=(arms, replicates, 1))
    return estimate_means(dict(zip("abcdef", values, strict=False)), PatientResamples.draw(patient)), values


def test_where_only_seeds_vary_two_arms_are_compared_by_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4))
    found = difference(without_patients({"a": a, "b": b}), "a", "b")
    expected = stats.ttest_rel(a, b)
    low, high = expected.confidence_interval(0.95)
    assert (found.estimate, found.p) == pytest.approx((np.mean(a - b), expected.pvalue), rel=1e-9)
    assert (found.low, found.high, found.degrees_of_freedom) == pytest.approx((low, high, 3), rel=1e-9)
    alone = level_interval(without_patients({"a": a}), "a", bounded=False)
    assert (alone.low, alone.high) == pytest.approx(stats.t.interval(0.95, 3, a.mean(), stats.sem(a)), rel=1e-9)


def test_where_only_seeds_vary_several_arms_are_compared_by_the_analysis_of_variance_in_blocks() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 3)) + rng.normal(size=3)
    found = difference(without_patients(dict(zip("abcd", values, strict=True))), "c", "a", level=0.9)
    table = pd.DataFrame(
        [(arm, r, v) for arm, row in zip("abcd", values, strict=True) for r, v in enumerate(row)],
        columns=["arm", "replicate", "value"],
    )
    fitted = ols("value ~ C(arm) + C(replicate)", table).fit()
    low, high = fitted.conf_int(0.1).loc["C(arm)[T.c]"]
    assert (found.low, found.high, found.p) == pytest.approx((low, high, fitted.pvalues["C(arm)[T.c]"]), rel=1e-9)
    assert found.degrees_of_freedom == pytest.approx(fitted.df_resid)


def test_a_level_pools_the_arms_and_has_their_degrees_of_freedom_where_they_vary_independently() -> None:
    # rows orthogonal and of one length: no arm tells anything about another
    values = np.array([[1.0, -1, 1, -1, 0], [1, 1, -1, -1, 0]]) / 10
    found = level_interval(without_patients({"a": values[0] + 0.5, "b": values[1] + 0.3}), "a", bounded=False)
    assert found.standard_error**2 == pytest.approx(values.var(axis=1, ddof=1).mean() / 5)
    assert found.degrees_of_freedom == pytest.approx(2 * 4)
    # and those of one where they vary together
    found = level_interval(without_patients({"a": values[0], "b": values[0] + 1}), "a", bounded=False)
    assert found.degrees_of_freedom == pytest.approx(4)


@pytest.mark.parametrize("seed", range(4))
def test_both_components_follow_the_formula_written_out(seed: int) -> None:
    estimates, values = drawn(seed)
    arms, replicates = 3, 3
    mean = values.mean(2)
    boot = estimates.resampled_BAR[:, 0] - estimates.resampled_BAR[:, 1]
    cov = np.cov(boot.T) * 60 / 59
    patients = sum(cov[r, s] for r in range(3) for s in range(3)) / 9
    explained = (np.trace(cov) / 3 - sum(cov[r, s] for r in range(3) for s in range(3) if r != s) / 6) / 3
    left = mean - mean.mean(1, keepdims=True) - mean.mean(0) + mean.mean()
    seeds = 2 * (left**2).sum() / ((arms - 1) * (replicates - 1)) / replicates
    variance = patients + max(seeds - explained, 0)
    degrees = variance**2 / (seeds**2 / 4 + patients**2 / 59)
    found = difference(estimates, "a", "b")
    assert found.estimate == pytest.approx((values[0] - values[1]).mean())
    assert found.standard_error**2 == pytest.approx(variance)
    assert found.degrees_of_freedom == pytest.approx(degrees)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, degrees) * variance**0.5)
    assert found.patient_variance + (found.seed_variance or 0) == pytest.approx(variance)
    assert (found.seeds, found.patients, found.queries, found.level) == (3, 60, values.shape[2], 0.95)


def test_one_seed_only_leaves_patients_and_says_so() -> None:
    estimates, values = drawn(0, replicates=1)
    found = difference(estimates, "a", "b")
    boot = (estimates.resampled_BAR[:, 0] - estimates.resampled_BAR[:, 1])[:, 0]
    assert found.standard_error == pytest.approx(boot.std(ddof=1) * (60 / 59) ** 0.5)
    assert (found.seed_variance, found.degrees_of_freedom) == (None, 59)
    assert (
        found.rests_on
        == f"1 seed and {values.shape[2]} queries of 60 patients; only other patients, how seeds vary is unknown"
    )
    assert difference(drawn(0)[0], "a", "b").rests_on.startswith("3 seeds and ")


def test_the_same_arm_under_another_name_differs_by_nothing_and_narrows_no_other_interval() -> None:
    estimates, values = drawn(5)
    resamples = PatientResamples.draw(np.repeat(np.arange(60), np.random.default_rng(5).integers(1, 4, 60)))
    named = {"a": values[0], "b": values[1], "c": values[2], "twin": values[0]}
    twins = estimate_means(named, resamples)
    same = difference(twins, "twin", "a")
    assert (same.estimate, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert difference(twins, "a", "b") == difference(estimates, "a", "b")


def test_constants_give_no_interval_of_width_zero_where_the_metric_has_bounds() -> None:
    resamples = PatientResamples.draw(np.arange(40), count=50)
    hits = {"none": np.zeros((3, 40)), "all": np.ones((3, 40)), "half": np.full((3, 40), 0.5)}
    estimates = estimate_means(hits, resamples)
    none, every, half = (level_interval(estimates, arm) for arm in hits)
    exact = stats.binomtest(0, 40).proportion_ci(0.95, "exact")
    assert (none.low, none.high) == pytest.approx((exact.low, exact.high))
    assert (every.low, every.high) == pytest.approx((1 - exact.high, 1.0))
    assert none.no_variation
    assert (half.low, half.high, half.no_variation) == (0.5, 0.5, True)
    assert difference(estimates, "all", "none").p == 2.0**-39
    assert difference(estimates, "all", "all").p == 1


def test_a_bounded_level_stays_within_its_bounds_and_is_symmetric_in_the_logit() -> None:
    hits = (np.random.default_rng(0).random((3, 50)) < 0.02).astype(float)
    estimates = estimate_means({"a": hits}, PatientResamples.draw(np.arange(50)))
    found, plain = level_interval(estimates, "a"), level_interval(estimates, "a", bounded=False)
    assert plain.low < 0 < found.low < found.estimate < found.high < 1

    def logit(x: float) -> float:
        return float(np.log(x / (1 - x)))

    assert logit(found.high) + logit(found.low) == pytest.approx(2 * logit(found.estimate))


def test_starts_of_one_subset_are_averaged_before_seeds_are_counted() -> None:
    estimates, _ = drawn(2, replicates=6)
    subsets = estimates.over_starts([7, 8, 9, 7, 8, 9])
    assert subsets.replicates == 3
    np.testing.assert_allclose(subsets.value_AR[:, 1], estimates.value_AR[:, [1, 4]].mean(1))
    np.testing.assert_allclose(subsets.resampled_BAR[:, :, 2], estimates.resampled_BAR[:, :, [2, 5]].mean(2))
    with pytest.raises(ValueError, match="equal numbers wanted"):
        estimates.over_starts([7, 7, 7, 8, 8, 9])


def test_an_interaction_is_a_contrast() -> None:
    estimates, values = drawn(3, arms=4)
    found = contrast_of_means(estimates, {"a": 1, "b": -1, "c": -1, "d": 1})
    assert found.estimate == pytest.approx((values[0] - values[1] - values[2] + values[3]).mean())
    assert estimates.select(["c", "a"]).value_AR[1] == pytest.approx(estimates.value_AR[0])
    with pytest.raises(KeyError, match="no arm 'z' among a, b, c, d"):
        contrast_of_means(estimates, {"z": 1})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_does_not_fit_or_is_not_finite_is_an_error(bad: float) -> None:
    resamples = PatientResamples.draw([1, 2, 3])
    with pytest.raises(ValueError, match=r"not finite .* in b"):
        estimate_means({"a": np.ones((1, 3)), "b": np.array([[1, bad, 1]])}, resamples)
    with pytest.raises(ValueError, match="3 queries"):
        estimate_means({"a": np.ones((1, 4))}, resamples)
    with pytest.raises(ValueError, match="same in every arm"):
        estimate_means({"a": np.ones((1, 3)), "b": np.ones((2, 3))}, resamples)


def test_intervals_of_three_seeds_cover_and_a_null_is_rarely_significant() -> None:
    """A small version of benchmarks/coverage.py: 4 arms, seeds, patients and their disagreement all at play."""
    covered, significant, repeats = 0, 0, 300
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        values = 0.12 * rng.normal(size=(4, 3, 1)) + rng.normal(size=80) + rng.normal(size=(4, 3, 80))
        values[1:3] += 0.5 * rng.normal(size=(2, 1, 80))
        resamples = PatientResamples.draw(np.arange(80), count=400, seed=repeat)
        estimates = estimate_means(dict(zip("abcd", values, strict=True)), resamples)
        found = [level_interval(estimates, arm, bounded=False) for arm in "ab"] + [difference(estimates, "b", "a")]
        covered += sum(i.low <= 0 <= i.high for i in found)
        significant += difference(estimates, "a", "d").p < 0.05
    assert 0.93 <= covered / repeats / 3 <= 0.985
    assert significant / repeats <= 0.05 + 2 * (0.05 * 0.95 / repeats) ** 0.5
