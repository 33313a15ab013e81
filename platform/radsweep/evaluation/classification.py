"""Classification metrics of scores by class, for zero-shot classification and the linear probe.

Shapes: N items (studies or images), C classes, M images, S studies, X anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassMetrics:
    """`auroc` and `average_precision` are macro means over the classes measured; `Edema/auroc` is that of a class."""

    metrics: dict[str, float]
    chance: dict[str, float]  # of the same names: 0.5, and the class's prevalence
    positives: dict[str, int]  # of each class measured
    negatives: dict[str, int]
    skipped: dict[str, str]  # class -> why it has no number


def classification_metrics(scores_NC: np.ndarray, labels_NC: np.ndarray, class_names: Sequence[str]) -> ClassMetrics:
    """Area under the ROC curve and average precision of each class over the items whose label is known.

    A class without a positive or without a negative is skipped and named. No metrics if that is every class.

    Args:
        labels_NC: 1, 0, or NaN (None) where uncertain or missing.

    Raises:
        ValueError: scores that are not finite, labels that are none, sizes that do not fit.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # lazy import: it takes seconds to load

    labels_NC = known_labels(labels_NC, class_names)
    scores_NC = np.asarray(scores_NC, dtype=np.float64)
    if scores_NC.shape != labels_NC.shape:
        raise ValueError(f"sizes do not fit: scores {scores_NC.shape}, labels {labels_NC.shape}")
    if not np.isfinite(scores_NC).all():
        raise ValueError("scores are not finite (NaN or infinity): the model has diverged")
    found = ClassMetrics({}, {}, {}, {}, {})
    for name, scores_N, labels_N in zip(class_names, scores_NC.T, labels_NC.T, strict=True):
        known_N = ~np.isnan(labels_N)
        positive = int((labels_N == 1).sum())
        negative = int(known_N.sum()) - positive
        if not positive or not negative:
            found.skipped[name] = f"{positive} positive and {negative} negative of {len(labels_N)}: needs both"
            continue
        found.positives[name], found.negatives[name] = positive, negative
        found.metrics[f"{name}/auroc"] = float(roc_auc_score(labels_N[known_N], scores_N[known_N]))
        precision = average_precision_score(labels_N[known_N], scores_N[known_N])
        found.metrics[f"{name}/average_precision"] = float(precision)
        found.chance[f"{name}/auroc"] = 0.5
        found.chance[f"{name}/average_precision"] = positive / (positive + negative)
    for values in (found.metrics, found.chance):
        values |= macro(values, found.positives)
    return found


def macro(values: dict[str, float], classes: Sequence[str] | dict[str, int]) -> dict[str, float]:
    """{metric: mean over the classes} of {`class/metric`: value}; class names may hold slashes."""
    metrics = dict.fromkeys(key.rsplit("/", 1)[-1] for key in values)
    return {metric: float(np.mean([values[f"{name}/{metric}"] for name in classes])) for metric in metrics}


def known_labels(labels_NC: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Labels as float64 with NaN for what is not known. Raises ValueError on anything but 1, 0, NaN or None."""
    labels_NC = np.asarray(labels_NC, dtype=np.float64)
    if labels_NC.ndim != 2 or labels_NC.shape[1] != len(class_names):
        raise ValueError(f"labels: expected a column for each of {len(class_names)} classes, found {labels_NC.shape}")
    if len(set(class_names)) < len(class_names):
        raise ValueError("a class name is repeated")
    wrong = ~(np.isnan(labels_NC) | (labels_NC == 0) | (labels_NC == 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"labels of {class_names[column]}: expected 1, 0 or NaN (not known), found {labels_NC[row, column]:g}"
        )
    return labels_NC


def mean_of_images(values_MX: np.ndarray, image_study_M: np.ndarray, studies: int) -> np.ndarray:
    """[S, X]: each study's mean over its images, in float64. Raises ValueError on a study without an image."""
    study_M = np.asarray(image_study_M)
    if len(study_M) != len(values_MX) or (len(study_M) and not 0 <= study_M.min() <= study_M.max() < studies):
        raise ValueError(f"image_study_M: expected a study from 0 to {studies - 1} for each of {len(values_MX)} images")
    images_S = np.bincount(study_M, minlength=studies)
    if (images_S == 0).any():
        raise ValueError(f"{(images_S == 0).sum()} studies have no image")
    total_SX = np.zeros((studies, np.shape(values_MX)[1]))
    np.add.at(total_SX, study_M, np.asarray(values_MX, dtype=np.float64))
    return total_SX / images_S[:, None]
