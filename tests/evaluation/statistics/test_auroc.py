from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from radsweep.evaluation.statistics import (
    PatientResamples,
    auroc_test,
    delong_covariance,
    difference,
    estimate_auroc,
    level_interval,
    macro_estimates,
)


def items(seed: int, patients: int = 40, repeats: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores [4, N] coarse enough to tie, labels with some unknown, and patients."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.integers(1, 4, patients) if repeats else 1)
    label = (rng.random(len(patient)) < 0.3).astype(float)
    scores = np.round(rng.normal(size=(4, len(patient))) + label, 1)
    return scores, label, patient


@pytest.mark.parametrize("seed", range(3))
def test_values_and_resamples_are_those_of_scikit_learn(seed: int) -> None:
    scores, label, patient = items(seed)
    label[::11] = np.nan
    known = np.isfinite(label)
    resamples = PatientResamples.draw(patient, count=30)
    found = estimate_auroc({"a": scores[:2], "b": scores[2:]}, label, resamples)
    values = [roc_auc_score(label[known], s[known]) for s in scores]
    np.testing.assert_allclose(found.value_AR.reshape(-1), values, atol=1e-12)
    for drawn, row in zip(np.concatenate(list(resamples.counts())), found.resampled_BAR, strict=True):
        weight = drawn[patient][known]
        weighted = [roc_auc_score(label[known], s[known], sample_weight=weight) for s in scores]
        np.testing.assert_allclose(row.reshape(-1), weighted, atol=1e-12)
    assert found.queries == known.sum()
    sides = [len(set(patient[label == side])) for side in (0, 1)]
    assert found.patient_degrees == min(sides) - 1


@pytest.mark.parametrize("seed", range(3))
def test_delong_is_its_definition_pair_by_pair(seed: int) -> None:
    scores, label, _ = items(seed)
    auroc, covariance = delong_covariance(scores, label)
    kernel = [
        np.array([[(p > n) + (p == n) / 2 for n in s[label == 0]] for p in s[label == 1]], dtype=float) for s in scores
    ]
    by_positive, by_negative = ([k.mean(axis) for k in kernel] for axis in (1, 0))
    expected = np.cov(by_positive) / (label == 1).sum() + np.cov(by_negative) / (label == 0).sum()
    np.testing.assert_allclose(covariance, expected, atol=1e-12)
    np.testing.assert_allclose(auroc, [roc_auc_score(label, s) for s in scores], atol=1e-12)
    single, variance = delong_covariance(scores[:1], label)
    assert (single[0], variance[0, 0]) == pytest.approx((auroc[0], covariance[0, 0]))


def test_the_paired_test_is_delongs_where_patients_come_once_and_agrees_with_the_bootstrap() -> None:
    scores, label, patient = items(0, patients=300, repeats=False)
    resamples = PatientResamples.draw(patient, count=4000)
    found = auroc_test(scores[:2], scores[2:], label, resamples)
    auroc, covariance = delong_covariance(scores, label)
    weight = np.array([0.5, 0.5, -0.5, -0.5])
    error = np.sqrt(weight @ covariance @ weight)
    assert (found.method, found.seeds, found.patients) == ("DeLong", 2, 300)
    assert found.estimate == pytest.approx(weight @ auroc)
    assert found.standard_error == pytest.approx(error)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(weight @ auroc) / error))
    boot = difference(estimate_auroc({"a": scores[:2], "b": scores[2:]}, label, resamples), "a", "b")
    assert boot.patient_variance**0.5 == pytest.approx(error, rel=0.05)


def test_where_patients_repeat_whole_patients_are_drawn() -> None:
    scores, label, patient = items(1, patients=150, repeats=False)
    once = auroc_test(scores[:1], scores[1:2], label, PatientResamples.draw(patient))
    thrice = np.tile(patient, 3)
    found = auroc_test(
        np.tile(scores[:1], 3), np.tile(scores[1:2], 3), np.tile(label, 3), PatientResamples.draw(thrice)
    )
    assert found.method == "cluster bootstrap"
    assert found.estimate == pytest.approx(once.estimate)
    assert found.standard_error == pytest.approx(once.standard_error, rel=0.1)  # three copies tell nothing new


def test_a_class_that_too_few_have_is_an_error_that_says_so() -> None:
    scores, label, patient = items(2)
    resamples = PatientResamples.draw(patient)
    for value in (0.0, 1.0):
        with pytest.raises(ValueError, match="need at least 2 of each"):
            estimate_auroc({"a": scores}, np.full(len(label), value), resamples)
    one_patient = (patient == patient[0]).astype(float)
    with pytest.raises(ValueError, match="1 patients have the class"):
        estimate_auroc({"a": scores}, one_patient, resamples)
    with pytest.raises(ValueError, match="1, 0 or NaN"):
        estimate_auroc({"a": scores}, label + 1, resamples)
    with pytest.raises(ValueError, match="DeLong needs at least 2"):
        delong_covariance(scores, np.eye(1, len(label))[0])


def test_resamples_without_the_class_are_left_out_and_constants_are_chance() -> None:
    patient = np.arange(30)
    label = (patient < 2).astype(float)
    resamples = PatientResamples.draw(patient)
    scores = np.random.default_rng(0).normal(size=(3, 30))
    found = estimate_auroc({"a": scores, "flat": np.zeros((3, 30))}, label, resamples)
    assert np.isnan(found.resampled_BAR).any(axis=(1, 2)).mean() == pytest.approx((28 / 30) ** 30, abs=0.05)
    interval = level_interval(found, "a")
    assert 0 < interval.low < interval.estimate < interval.high < 1
    flat = level_interval(found.select(["flat"]), "flat")
    assert (flat.low, flat.estimate, flat.high) == (0.5, 0.5, 0.5)


def test_a_macro_mean_is_taken_resample_by_resample() -> None:
    scores, label, patient = items(3)
    resamples = PatientResamples.draw(patient)
    other = (np.arange(len(label)) % 2).astype(float)
    classes = [estimate_auroc({"a": scores[:2], "b": scores[2:]}, y, resamples) for y in (label, other)]
    both = macro_estimates(classes)
    mean = (difference(classes[0], "a", "b").estimate + difference(classes[1], "a", "b").estimate) / 2
    assert difference(both, "a", "b").estimate == pytest.approx(mean)
    np.testing.assert_allclose(both.resampled_BAR[5], (classes[0].resampled_BAR[5] + classes[1].resampled_BAR[5]) / 2)
    with pytest.raises(ValueError, match="differ in arms"):
        macro_estimates([classes[0], classes[1].select(["a"])])
