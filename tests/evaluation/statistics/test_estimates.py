from __future__ import annotations

import numpy as np
import pytest

from radsweep.evaluation.statistics import Patients, estimate_means, macro_estimates


def test_values_are_means_and_with_one_query_a_patient_influences_give_the_sample_covariance() -> None:
    values_ARQ = np.random.default_rng(0).normal(size=(2, 3, 20))
    found = estimate_means({"a": values_ARQ[0], "b": values_ARQ[1]}, Patients.of(np.arange(20)))
    np.testing.assert_allclose(found.value_AR, values_ARQ.mean(-1))
    influence_PM = found.influence_PAR.reshape(20, 6)
    np.testing.assert_allclose(influence_PM.T @ influence_PM, np.cov(values_ARQ.reshape(6, 20)) / 20, atol=1e-15)
    assert (found.replicates, found.patients, found.queries, found.patient_degrees) == (3, 20, 20, pytest.approx(19))


def test_patients_with_equally_many_queries_count_as_one_observation_each() -> None:
    rng = np.random.default_rng(1)
    patient_Q = rng.permutation(np.repeat(np.arange(12), 3))
    value_Q = rng.normal(size=12)[patient_Q] + rng.normal(size=36)
    found = estimate_means({"a": value_Q[None]}, Patients.of(patient_Q))
    mean_P = [value_Q[patient_Q == patient].mean() for patient in range(12)]
    assert (found.influence_PAR**2).sum() == pytest.approx(np.var(mean_P, ddof=1) / 12)
    assert found.patient_degrees == pytest.approx(11)


@pytest.mark.parametrize("largest", [3, 40])
def test_with_unequal_patients_the_variance_of_the_mean_is_unbiased(largest: int) -> None:
    """Patients' means vary alike, so the mean over queries has the variance sum of squared shares."""
    patient_Q = np.repeat(np.arange(12), [largest, *[2, 5, 1, 1, 4, 3, 2, 2, 1, 6, 3]])
    patients, repeats = Patients.of(patient_Q), 3000
    drawn_SP = np.random.default_rng(2).normal(size=(repeats, 12))
    found = estimate_means({"a": drawn_SP[:, patient_Q]}, patients)
    variance_S = (found.influence_PAR[:, 0] ** 2).sum(0)
    expected = (patients.share_P**2).sum()
    assert variance_S.mean() == pytest.approx(expected, abs=4 * variance_S.std() / repeats**0.5)
    assert found.value_AR.var() == pytest.approx(expected, rel=4 * (2 / repeats) ** 0.5)


def test_starts_of_one_subset_are_averaged_before_seeds_are_counted() -> None:
    values_RQ = np.random.default_rng(3).normal(size=(6, 15))
    found = estimate_means({"a": values_RQ}, Patients.of(np.arange(15)))
    subsets = found.over_starts([7, 8, 9, 7, 8, 9])
    averaged = estimate_means({"a": (values_RQ[:3] + values_RQ[3:]) / 2}, Patients.of(np.arange(15)))
    assert subsets.replicates == 3
    np.testing.assert_allclose(subsets.value_AR, averaged.value_AR, atol=1e-14)
    np.testing.assert_allclose(subsets.influence_PAR, averaged.influence_PAR, atol=1e-14)
    with pytest.raises(ValueError, match="equal numbers wanted"):
        found.over_starts([7, 7, 7, 8, 8, 9])


def test_some_arms_are_selected_in_the_order_asked_for() -> None:
    values_ARQ = np.random.default_rng(4).normal(size=(3, 2, 5))
    patients = Patients.of(np.arange(5))
    found = estimate_means(dict(zip("abc", values_ARQ, strict=True)), patients).select(["c", "a"])
    expected = estimate_means({"c": values_ARQ[2], "a": values_ARQ[0]}, patients)
    assert found.arms == ("c", "a")
    np.testing.assert_array_equal(found.value_AR, expected.value_AR)
    np.testing.assert_array_equal(found.influence_PAR, expected.influence_PAR)
    assert found.weights({"a": 2.0}).tolist() == [0.0, 2.0]
    with pytest.raises(KeyError, match="no arm 'b' among c, a"):
        found.weights({"b": 1.0})


def test_a_mean_over_classes_is_the_mean_of_queries_that_stand_for_the_same_patients() -> None:
    values_CRQ = np.random.default_rng(5).normal(size=(3, 2, 10))
    patients = Patients.of(np.arange(10))
    found = macro_estimates([estimate_means({"a": values_RQ}, patients) for values_RQ in values_CRQ])
    expected = estimate_means({"a": values_CRQ.mean(0)}, patients)
    np.testing.assert_allclose(found.value_AR, expected.value_AR)
    np.testing.assert_allclose(found.influence_PAR, expected.influence_PAR, atol=1e-15)
    others = [estimate_means({arm: values_CRQ[0]}, patients) for arm in "ab"]
    with pytest.raises(ValueError, match="differ in arms"):
        macro_estimates(others)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_does_not_fit_or_is_not_finite_is_an_error(bad: float) -> None:
    patients = Patients.of([1, 2, 3])
    with pytest.raises(ValueError, match=r"not finite .* in b"):
        estimate_means({"a": np.ones((1, 3)), "b": np.array([[1, bad, 1]])}, patients)
    with pytest.raises(ValueError, match="3 queries"):
        estimate_means({"a": np.ones((1, 4))}, patients)
    with pytest.raises(ValueError, match="same in every arm"):
        estimate_means({"a": np.ones((1, 3)), "b": np.ones((2, 3))}, patients)
