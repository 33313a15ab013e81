"""Class retrieval as on CheXpert 5x200 (GLoRIA, Huang et al. 2021): of the reports an image ranks first, how many are
of its class.

Shapes: N studies to draw from, S studies of the pool, M images of theirs, K numbers of reports looked at, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from radsweep.config.evaluation import CHEXPERT_FIVE
from radsweep.config.metrics import PRECISION_AT
from radsweep.data.loading.subsets import seeded_order, subset_fingerprint
from radsweep.errors import InputError
from radsweep.evaluation.classification import known_labels, macro
from radsweep.evaluation.ranking import TIE, Array, unit_rows


@dataclass(frozen=True)
class ClassPool:
    """The draw, for the record: the same seed and data give the same studies, whatever the order of their rows."""

    rows_S: np.ndarray  # of the studies drawn, among those given; ascending
    study_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    class_S: np.ndarray  # place in `class_names`
    class_names: tuple[str, ...]
    seed: int
    available: dict[str, int]  # studies of each class that could be drawn
    training_studies: int  # left out because their patient is one of the training patients

    @property
    def sha256(self) -> str:
        return subset_fingerprint(self.study_ids)


@dataclass(frozen=True)
class ClassRetrieval:
    """`precision_at_10` is the macro mean over the classes, `Edema/precision_at_10` the mean over a class's images."""

    metrics: dict[str, float]
    chance: dict[str, float]  # the class's part of the pool
    queries: dict[str, int]  # images of each class
    candidates: int
    precision_MK: np.ndarray  # of each image, at each of `at`
    at: tuple[int, ...]


def draw_class_pool(
    study_ids: Sequence[str],
    patient_ids: Sequence[str],
    labels_NC: np.ndarray,
    class_names: Sequence[str],
    classes: Sequence[str] = CHEXPERT_FIVE,
    per_class: int = 200,
    seed: int = 0,
    training_patients: Collection[str] = (),
) -> ClassPool:
    """`per_class` studies of each class at random, of those that show it and no other finding of `class_names`.

    What is not known of another finding does not exclude a study: reports speak of few. `No Finding` is no finding.
    No study of a training patient is drawn, whichever of his it is.

    Raises:
        InputError: a class that has no labels, or too few studies.
    """
    labels_NC = known_labels(labels_NC, class_names)
    if missing := [name for name in classes if name not in class_names]:
        raise InputError(
            f"class retrieval: no labels of {', '.join(missing)}; the data has {', '.join(class_names) or 'none'}"
        )
    trained = set(training_patients)
    fresh_N = np.array([patient not in trained for patient in patient_ids], dtype=bool)
    findings_C = np.array([name != "No Finding" or name in classes for name in class_names])
    alone_N = (labels_NC[:, findings_C] == 1).sum(1) == 1
    order = np.array(seeded_order(study_ids, study_ids, seed), dtype=np.int64)  # by study, not patient by patient
    class_N, available = np.full(len(study_ids), -1), {}
    for number, name in enumerate(classes):
        shows_N = fresh_N & alone_N & (labels_NC[:, list(class_names).index(name)] == 1)
        available[name] = int(shows_N.sum())
        class_N[order[shows_N[order]][:per_class]] = number
    if short := [f"{name} {count}" for name, count in available.items() if count < per_class]:
        raise InputError(
            f"class retrieval: {per_class} studies that only show this class are needed of each; found of "
            f"{', '.join(short)}; ask for fewer, or for other classes"
        )
    rows_S = np.flatnonzero(class_N >= 0)
    return ClassPool(
        rows_S=rows_S,
        study_ids=tuple(study_ids[row] for row in rows_S.tolist()),
        patient_ids=tuple(patient_ids[row] for row in rows_S.tolist()),
        class_S=class_N[rows_S],
        class_names=tuple(classes),
        seed=seed,
        available=available,
        training_studies=int((~fresh_N).sum()),
    )


@torch.no_grad()
def class_retrieval(
    image_MD: Array,
    text_SD: Array,
    image_study_M: np.ndarray,
    class_S: np.ndarray,
    class_names: Sequence[str],
    at: Sequence[int] = PRECISION_AT,
    chunk: int = 256,
) -> ClassRetrieval:
    """Precision at 5, 10 and 100 with every image as a query and every report of the pool, its own too, a candidate.

    Where reports tie at the k-th place, the mean over every order of them. Left out for every class: a k larger than
    the smallest class, at which precision could not reach 1.

    Args:
        image_study_M: the study (0 to S - 1) of each image.
        class_S: place of each study's class in `class_names`.

    Raises:
        ValueError: an embedding that is not finite, a class without a study or an image, or sizes that do not fit.
    """
    text, class_S = unit_rows(text_SD, "text"), np.asarray(class_S)
    image = unit_rows(image_MD, "image").to(text.device)
    class_M = class_S[np.asarray(image_study_M)]
    if len(class_M) != len(image) or len(class_S) != len(text):
        raise ValueError(
            f"sizes do not fit: {len(image)} images, studies of {len(class_M)}, {len(text)} texts, classes of "
            f"{len(class_S)}"
        )
    studies, images = (np.bincount(of, minlength=len(class_names)) for of in (class_S, class_M))
    if studies.min() == 0 or images.min() == 0:
        raise ValueError(f"{class_names[int(np.argmin(images))]}: no study or image of the pool")
    at = tuple(k for k in at if k <= studies.min())
    mark_S = torch.from_numpy(class_S).to(text.device)
    parts = []
    with torch.autocast(text.device.type, enabled=False):
        for start in range(0, len(image), chunk):
            scores_QS = image[start : start + chunk] @ text.T
            query_Q = torch.from_numpy(class_M[start : start + chunk]).to(text.device)
            parts.append(_precision(scores_QS, query_Q[:, None] == mark_S, at))
    precision_MK = torch.cat(parts).cpu().numpy().astype(np.float64)
    metrics, chance = {}, {}
    for number, name in enumerate(class_names):
        for k, precision_M in zip(at, precision_MK.T, strict=True):
            metrics[f"{name}/precision_at_{k}"] = float(precision_M[class_M == number].mean())
            chance[f"{name}/precision_at_{k}"] = float(studies[number] / len(text))
    return ClassRetrieval(
        metrics=metrics | macro(metrics, list(class_names)),
        chance=chance | macro(chance, list(class_names)),
        queries={name: int(count) for name, count in zip(class_names, images, strict=True)},
        candidates=len(text),
        precision_MK=precision_MK,
        at=at,
    )


def _precision(scores_QS: Tensor, right_QS: Tensor, at: tuple[int, ...]) -> Tensor:
    """[Q, K]; ties at the k-th place count by their mean."""
    if not at:
        return scores_QS.new_zeros((len(scores_QS), 0))
    best_QK = scores_QS.topk(max(at), dim=1).values
    columns = []
    for k in at:
        level_Q1 = best_QK[:, k - 1 : k]
        above_QS = scores_QS > level_Q1 + TIE
        tied_QS = (scores_QS >= level_Q1 - TIE) & ~above_QS
        left_Q = k - above_QS.sum(1)  # places that those that tie share
        columns.append(((above_QS & right_QS).sum(1) + left_Q * (tied_QS & right_QS).sum(1) / tied_QS.sum(1)) / k)
    return torch.stack(columns, dim=1)
