from __future__ import annotations

import itertools

import numpy as np
import pytest

from radsweep.config.metrics import CLASSIFICATION, Metric
from radsweep.evaluation.classification import classification_metrics, known_labels, mean_of_images

NAN = np.nan


def pairwise_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """How often a positive scores above a negative; ties count half."""
    pairs = itertools.product(scores[labels == 1], scores[labels == 0])
    return float(np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs]))


def stepwise_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Sum over thresholds of the gain in recall times the precision."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        recall = (labels[taken] == 1).sum() / (labels == 1).sum()
        total += (recall - before) * (labels[taken] == 1).mean()
        before = recall
    return total


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_the_definitions_with_ties_and_unknown_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ["a", "b/c", "d"]
    scores = np.round(rng.normal(size=(60, 3)), 1)
    labels = rng.choice([0.0, 1.0, NAN], size=(60, 3), p=[0.6, 0.25, 0.15])
    found = classification_metrics(scores, labels, names)
    expected = []
    for column, name in enumerate(names):
        known = ~np.isnan(labels[:, column])
        s, y = scores[known, column], labels[known, column]
        expected.append((pairwise_auroc(s, y), stepwise_precision(s, y), y.mean()))
        assert found.metrics[f"{name}/auroc"] == pytest.approx(expected[-1][0], abs=1e-9)
        assert found.metrics[f"{name}/average_precision"] == pytest.approx(expected[-1][1], abs=1e-9)
        assert found.chance[f"{name}/average_precision"] == pytest.approx(expected[-1][2], abs=1e-9)
        assert (found.positives[name], found.negatives[name]) == (int(y.sum()), int((1 - y).sum()))
    auroc, precision, prevalence = np.mean(expected, axis=0)
    assert found.metrics["auroc"] == pytest.approx(auroc, abs=1e-9)
    assert found.metrics["average_precision"] == pytest.approx(precision, abs=1e-9)
    assert found.chance["average_precision"] == pytest.approx(prevalence, abs=1e-9)
    assert found.chance["auroc"] == 0.5
    assert {name.rsplit("/", 1)[-1] for name in found.metrics} == set(CLASSIFICATION)
    assert all(Metric(f"test/zero_shot/{name}").higher for name in found.metrics)


def test_perfect_reversed_and_constant_scores() -> None:
    labels = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    scores = np.array([[5.0, 0, 7], [4, 1, 7], [3, 2, 7], [2, 3, 7], [1, 4, 7]])
    found = classification_metrics(scores, labels, ["right", "wrong", "constant"]).metrics
    assert (found["right/auroc"], found["right/average_precision"]) == (1, 1)
    assert found["wrong/auroc"] == 0
    assert found["constant/auroc"] == 0.5
    assert found["constant/average_precision"] == pytest.approx(2 / 5)


def test_a_class_without_both_values_is_skipped_and_named_and_not_part_of_the_mean() -> None:
    labels = np.array([[1, 1, NAN, 1], [0, 1, NAN, NAN], [1, 1, NAN, 0]])
    scores = np.array([[3.0, 0, 0, 2], [1, 0, 0, 9], [2, 1, 0, 1]])
    found = classification_metrics(scores, labels, ["fine", "always", "unknown", "few"])
    assert found.skipped == {
        "always": "3 positive and 0 negative of 3: needs both",
        "unknown": "0 positive and 0 negative of 3: needs both",
    }
    assert found.metrics["auroc"] == 1
    assert list(found.positives) == ["fine", "few"]


def test_without_any_class_there_is_no_number() -> None:
    found = classification_metrics(np.zeros((2, 1)), np.ones((2, 1)), ["always"])
    assert (found.metrics, found.chance) == ({}, {})
    assert classification_metrics(np.zeros((0, 1)), np.zeros((0, 1)), ["none"]).skipped


def test_what_is_no_label_and_no_score_is_refused() -> None:
    with pytest.raises(ValueError, match="labels of b: expected 1, 0 or NaN"):
        known_labels(np.array([[0, -1.0]]), ["a", "b"])
    with pytest.raises(ValueError, match="a column for each of 3 classes"):
        known_labels(np.zeros((4, 2)), ["a", "b", "c"])
    with pytest.raises(ValueError, match="repeated"):
        known_labels(np.zeros((4, 2)), ["a", "a"])
    with pytest.raises(ValueError, match="not finite"):
        classification_metrics(np.array([[NAN], [1]]), np.array([[1], [0]]), ["a"])
    with pytest.raises(ValueError, match="sizes do not fit"):
        classification_metrics(np.zeros((3, 1)), np.zeros((2, 1)), ["a"])
    labels: list[list[float | None]] = [[1, None], [0, 1]]
    assert np.isnan(known_labels(np.array(labels), ["a", "b"])[0, 1])


def test_a_study_has_the_mean_of_its_images_in_any_order() -> None:
    values, study = np.array([[1.0, 2], [3, 4], [5, 6], [9, 9]]), np.array([1, 0, 1, 1])
    np.testing.assert_allclose(mean_of_images(values, study, 2), [[3, 4], [5, 17 / 3]])
    with pytest.raises(ValueError, match="1 studies have no image"):
        mean_of_images(values, study, 3)
    with pytest.raises(ValueError, match="a study from 0 to 0 for each of 4 images"):
        mean_of_images(values, study, 1)
