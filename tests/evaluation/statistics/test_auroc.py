from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from radsweep.evaluation.statistics import Patients, difference, estimate_auroc, level_interval, macro_estimates
from radsweep.evaluation.statistics.auroc import placements
from radsweep.evaluation.statistics.estimates import Estimates


def items(seed: int, patients: int = 40, most: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores [4, N] coarse enough to tie, labels, and patients with 1 to `most` items."""
    rng = np.random.default_rng(seed)
    patient_N = np.repeat(np.arange(patients), rng.integers(1, most + 1, patients))
    label_N = (rng.random(len(patient_N)) < 0.3).astype(float)
    scores_MN = np.round(rng.normal(size=(4, len(patient_N))) + label_N, 1)
    return scores_MN, label_N, patient_N


def kernel(score_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """1, 1/2 or 0 for each pair of a positive and a negative item, by its definition."""
    return np.array([[(p > n) + (p == n) / 2 for n in score_N[label_N == 0]] for p in score_N[label_N == 1]])


def covariance(found: Estimates) -> np.ndarray:
    """Over patients, of all arms and replicates: [M, M]."""
    influence_PM = found.influence_PAR.reshape(len(found.influence_PAR), -1)
    return influence_PM.T @ influence_PM


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_scikit_learn_without_items_whose_label_is_unknown(seed: int) -> None:
    scores, label, patient = items(seed)
    label[::11] = np.nan
    known = np.isfinite(label)
    found = estimate_auroc({"a": scores[:2], "b": scores[2:]}, label, Patients.of(patient))
    values = [roc_auc_score(label[known], s[known]) for s in scores]
    np.testing.assert_allclose(found.value_AR.reshape(-1), values, atol=1e-12)
    assert found.queries == known.sum()
    assert found.patients == len(set(patient[known]))


@pytest.mark.parametrize("seed", range(3))
def test_placements_are_the_share_of_the_other_side_pair_by_pair(seed: int) -> None:
    scores, label, _ = items(seed)
    beats_MI, beats_MJ = placements(scores[:, label == 1], scores[:, label == 0])
    pairs = [kernel(s, label) for s in scores]
    np.testing.assert_allclose(beats_MI, [k.mean(1) for k in pairs], atol=1e-12)
    np.testing.assert_allclose(beats_MJ, [k.mean(0) for k in pairs], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_with_one_item_a_patient_the_covariance_is_that_of_delong(seed: int) -> None:
    """DeLong et al. 1988: S10 / m + S01 / n, the sample covariances of the placements of either side."""
    scores, label, patient = items(seed, most=1)
    found = estimate_auroc({"a": scores[:2], "b": scores[2:]}, label, Patients.of(patient))
    pairs = [kernel(s, label) for s in scores]
    positives, negatives = pairs[0].shape
    expected = np.cov([k.mean(1) for k in pairs]) / positives + np.cov([k.mean(0) for k in pairs]) / negatives
    np.testing.assert_allclose(covariance(found), expected, atol=1e-12)
    assert found.patient_degrees == pytest.approx(min(positives, negatives) - 1)


def test_the_variance_is_near_that_of_the_u_statistic_over_its_pairs_of_pairs() -> None:
    """Bamber 1975: the variance of a mean over pairs, from the products of pairs that share an item."""
    rng = np.random.default_rng(3)
    label = np.repeat([1.0, 0.0], [30, 50])
    score = np.round(rng.normal(size=80) + label, 1)
    k = kernel(score, label)
    m, n = k.shape
    one_positive = np.mean([np.mean(k[i, j] * np.delete(k[i], j)) for i, j in itertools.product(range(m), range(n))])
    one_negative = np.mean([np.mean(k[i, j] * np.delete(k[:, j], i)) for i, j in itertools.product(range(m), range(n))])
    none = np.mean(
        [np.mean(k[i, j] * np.delete(np.delete(k, i, 0), j, 1)) for i, j in itertools.product(range(m), range(n))]
    )
    both = np.mean(k**2)
    expected = (both - none + (n - 1) * (one_positive - none) + (m - 1) * (one_negative - none)) / (m * n)
    found = estimate_auroc({"a": score[None]}, label, Patients.of(np.arange(80)))
    assert covariance(found)[0, 0] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("positives", [0, 1, 2])
def test_with_several_items_a_patient_the_variance_is_that_of_obuchowski(positives: int) -> None:
    """Obuchowski 1997, equation 5; every patient has as many items of either side, or only of one."""
    rng = np.random.default_rng(positives)
    mixed = [[1.0] * positives + [0.0] * 2] * 15
    labels = mixed if positives else [[1.0, 1.0]] * 8 + [[0.0] * 3] * 12
    label = np.concatenate(labels)
    patient = np.repeat(np.arange(len(labels)), [len(of) for of in labels])
    score = np.round(rng.normal(size=len(label)) + rng.normal(size=len(labels))[patient] + label, 1)
    found = estimate_auroc({"a": score[None]}, label, Patients.of(patient))

    k = kernel(score, label)
    area, (m, n) = k.mean(), k.shape
    of_positive, of_negative = patient[label == 1], patient[label == 0]
    everyone = range(len(labels))
    v10 = np.array([(k.mean(1)[of_positive == p] - area).sum() for p in everyone])
    v01 = np.array([(k.mean(0)[of_negative == p] - area).sum() for p in everyone])
    i10, i01, i = len(set(of_positive)), len(set(of_negative)), len(labels)
    s10, s01 = i10 / ((i10 - 1) * m) * (v10**2).sum(), i01 / ((i01 - 1) * n) * (v01**2).sum()
    s11 = i / (i - 1) * (v10 * v01).sum()
    assert covariance(found)[0, 0] == pytest.approx(s10 / m + s01 / n + 2 * s11 / (m * n))
    assert found.patient_degrees == pytest.approx(min(i10, i01) - 1)


def test_the_estimated_variance_is_that_of_the_auroc_of_other_patients() -> None:
    """Two items a patient, of one draw and unequal sides: nothing of the formula, only new patients."""
    repeats, patient = 400, np.repeat(np.arange(40), 2)
    label = np.tile([1.0, 0.0, 0.0, 0.0], 20)
    values, variances = [], []
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        score = rng.normal(size=80) + rng.normal(size=40)[patient] + label
        found = estimate_auroc({"a": score[None]}, label, Patients.of(patient))
        values.append(found.value_AR[0, 0])
        variances.append(covariance(found)[0, 0])
    assert np.mean(variances) == pytest.approx(np.var(values), rel=4 * (2 / repeats) ** 0.5)


def test_copies_of_items_leave_intervals_as_they_are() -> None:
    scores, label, patient = items(1, patients=150, most=1)
    once = estimate_auroc({"a": scores[:1], "b": scores[1:2]}, label, Patients.of(patient))
    thrice = estimate_auroc(
        {"a": np.tile(scores[:1], 3), "b": np.tile(scores[1:2], 3)}, np.tile(label, 3), Patients.of(np.tile(patient, 3))
    )
    first, again = difference(once, "a", "b"), difference(thrice, "a", "b")
    assert (again.low, again.high) == pytest.approx((first.low, first.high))


def test_a_class_that_too_few_have_is_an_error_that_says_so() -> None:
    scores, label, patient = items(2)
    patients = Patients.of(patient)
    for value in (0.0, 1.0):
        with pytest.raises(ValueError, match="need at least 2 of each"):
            estimate_auroc({"a": scores}, np.full(len(label), value), patients)
    with pytest.raises(ValueError, match="1 patients have the class"):
        estimate_auroc({"a": scores}, (patient == patient[0]).astype(float), patients)
    for bad in (label + 1, label[1:]):
        with pytest.raises(ValueError, match="1, 0 or NaN"):
            estimate_auroc({"a": scores}, bad, patients)


def test_a_rare_class_and_constant_scores_have_intervals_within_bounds() -> None:
    label = (np.arange(30) < 2).astype(float)
    scores = np.random.default_rng(0).normal(size=(3, 30))
    found = estimate_auroc({"a": scores, "flat": np.zeros((3, 30))}, label, Patients.of(np.arange(30)))
    for arm in ("a", "flat"):
        interval = level_interval(found, arm)
        assert 0 <= interval.low < interval.estimate < interval.high <= 1
    flat = level_interval(found.select(["flat"]), "flat")
    assert flat.estimate == 0.5
    assert flat.high > 0.9, "two positives cannot show that it is chance"
    assert found.patient_degrees == pytest.approx(1)


def test_a_macro_mean_is_that_of_the_classes_with_the_degrees_of_the_rarest() -> None:
    scores, label, patient = items(3)
    other = (np.arange(len(label)) % 2).astype(float)
    classes = [estimate_auroc({"a": scores[:2], "b": scores[2:]}, y, Patients.of(patient)) for y in (label, other)]
    both = macro_estimates(classes)
    mean = (difference(classes[0], "a", "b").estimate + difference(classes[1], "a", "b").estimate) / 2
    assert difference(both, "a", "b").estimate == pytest.approx(mean)
    assert both.patient_degrees == min(c.patient_degrees for c in classes)
    same = macro_estimates([classes[0], classes[0]])
    np.testing.assert_allclose(covariance(same), covariance(classes[0]))
