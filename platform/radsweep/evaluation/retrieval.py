"""Image-report retrieval over the full pool, both directions.

The unit is the study or the image. Study: query and candidate are a study's images together, or its report; the score
of a study's images with a report is the largest cosine of any of its images. Image: each image is a query and a
candidate of its own, and all images of a report's study are its positives. rank = 1 + number of non-positives that
score above the best positive + half of those that tie with it. Two readings of a positive: the same study, and
(`..._same_text`) any study whose normalised report is word for word the same.

Shapes: M images, S studies, D width of the embedding, Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from radsweep.config.metrics import DIRECTIONS, RECALL_AT
from radsweep.evaluation.chance import SAME_TEXT, Unit, pools
from radsweep.evaluation.ranking import TIE, Array, Reading, ScoreMatrix, middle_ranks, unit_rows

__all__ = [
    "SAME_TEXT",
    "TIE",
    "Array",
    "Ranked",
    "Unit",
    "metrics_of",
    "ranked",
    "summarise_ranks",
]


class Ranked(NamedTuple):
    """Q queries in one direction and reading."""

    ranks_Q: np.ndarray  # of each query's best positive
    others_Q: np.ndarray  # non-positives


def metrics_of(queries: Mapping[str, Ranked]) -> dict[str, float]:
    """{`text_to_image/recall_at_10`: value, ...}: every metric of `spec.metrics`, of what `ranked` gives."""
    return {
        f"{direction}/{name}": value
        for direction, (ranks_Q, others_Q) in queries.items()
        for name, value in summarise_ranks(ranks_Q, others_Q).items()
    }


@torch.no_grad()
def ranked(
    image_MD: Array,
    text_SD: Array,
    image_study_M: Array,
    text_group_S: Array | None = None,
    chunk: int = 1024,
    unit: Unit = "study",
) -> dict[str, Ranked]:
    """{`text_to_image`: ranks, ...}: what every metric and every later statistic rests on.

    With `text_group_S` also `text_to_image_same_text` and so on, in which studies whose reports read alike are
    positives too. Ranks are of shape S, in the order of the studies; with unit "image", those of `image_to_text` are of
    shape M, in that of the images.

    Args:
        image_MD: embeddings of all images of the pool, each once; normalised here.
        text_SD: embedding of each study's report, in the order that `image_study_M` counts in.
        image_study_M: the study (0 to S - 1) of each image; every study has at least one.
        text_group_S: any whole numbers, equal where the normalised reports are equal.
        chunk: queries and candidates compared at a time; memory beyond the embeddings only grows with its square.

    Raises:
        ValueError: an embedding that is not finite, a study without an image, or sizes that do not fit.
    """
    text, study_M = unit_rows(text_SD, "text"), _numbers(image_study_M)
    image = unit_rows(image_MD, "image").to(text.device)
    group_S = None if text_group_S is None else _numbers(text_group_S)
    _check(image, text, study_M, group_S)
    studies = len(text)

    # Sorted so that positives lie along the diagonal, in few tiles.
    order_S = np.arange(studies) if group_S is None else np.argsort(group_S, kind="stable")
    place_S = np.argsort(order_S)
    order_M = np.argsort(place_S[study_M], kind="stable")
    row_study_R = np.arange(studies) if unit == "study" else place_S[study_M][order_M]
    images_R = np.bincount(place_S[study_M], minlength=studies) if unit == "study" else np.ones_like(study_M)
    readings = {"": Reading(row_study_R, np.arange(studies))}
    if group_S is not None:
        sorted_S = group_S[order_S]
        readings[SAME_TEXT] = Reading(sorted_S[row_study_R], sorted_S)

    with torch.autocast(text.device.type, enabled=False):  # bf16 cosines would tie by the dozen
        rows, columns = _taken(image, order_M), _taken(text, order_S)
        scores = ScoreMatrix(lambda of, to: rows[of] @ columns[to].T, images_R, studies, text.device, chunk)
        ranks = dict(zip(readings, middle_ranks(scores, list(readings.values())), strict=True))
    back_R = place_S if unit == "study" else np.argsort(order_M)
    pool_of = pools(study_M, studies, group_S, unit)
    found = {}
    for direction in DIRECTIONS:
        for suffix, both in ranks.items():
            name, of_rows = direction + suffix, direction == "image_to_text"
            ranks_Q = both.row_R[back_R] if of_rows else both.column_C[place_S]
            found[name] = Ranked(ranks_Q, pool_of[name].candidates - pool_of[name].positives_Q)
    return found


def summarise_ranks(ranks_Q: np.ndarray, others_Q: np.ndarray) -> dict[str, float]:
    """{metric: value over queries}; `others_Q` is each query's number of non-positives.

    The rank percentile is the part of the non-positives that the best positive beats: 1 is perfect, 0.5 is chance.
    """
    beaten_Q = 1 - (ranks_Q - 1) / np.maximum(others_Q, 1)
    return {f"recall_at_{k}": float((ranks_Q <= k).mean()) for k in RECALL_AT} | {
        "mean_reciprocal_rank": float((1 / ranks_Q).mean()),
        "rank_percentile": float(beaten_Q.mean()),
        "median_rank": float(np.median(ranks_Q)),
        "mean_rank": float(ranks_Q.mean()),
    }


def _numbers(numbers: Array) -> np.ndarray:
    return torch.as_tensor(numbers).cpu().numpy().astype(np.int64)


def _taken(embedding_ND: torch.Tensor, order_N: np.ndarray) -> torch.Tensor:
    return embedding_ND[torch.from_numpy(order_N).to(embedding_ND.device)]


def _check(image_MD: torch.Tensor, text_SD: torch.Tensor, study_M: np.ndarray, group_S: np.ndarray | None) -> None:
    studies = len(text_SD)
    if study_M.shape != image_MD.shape[:1] or image_MD.shape[1] != text_SD.shape[1] or studies == 0:
        raise ValueError(
            f"sizes do not fit: images {tuple(image_MD.shape)}, texts {tuple(text_SD.shape)}, "
            f"{len(study_M)} studies of images"
        )
    if group_S is not None and group_S.shape != (studies,):
        raise ValueError(f"sizes do not fit: {studies} texts, {len(group_S)} groups of texts")
    if len(study_M) and not 0 <= study_M.min() <= study_M.max() < studies:
        raise ValueError(f"image_study_M: expected studies 0 to {studies - 1}")
    images_S = np.bincount(study_M, minlength=studies)
    if images_S.min() == 0:
        raise ValueError(f"{(images_S == 0).sum()} studies of the pool have no image")
