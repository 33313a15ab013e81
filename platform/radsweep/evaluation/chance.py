"""Chance levels and pool sizes: the values that random embeddings give, to compare retrieval metrics with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from radsweep.config.metrics import DIRECTIONS

SAME_TEXT = "_same_text"
# parts of what a perfect model reaches, see `guessed`: a metric that chance brings that far
USELESS = 0.5  # cannot select
NOTICEABLE = 0.2  # selects poorly
Unit = Literal["study", "image"]


class Pool(NamedTuple):
    """Queries and candidates of retrieval in one direction and reading."""

    queries: int
    candidates: int
    positives_Q: np.ndarray  # of each query


def pools(
    image_study_M: np.ndarray, studies: int, text_group_S: np.ndarray | None = None, unit: Unit = "study"
) -> dict[str, Pool]:
    """{`text_to_image`: pool, ...}, with groups of equal reports also `text_to_image_same_text` and so on.

    Arguments as `retrieval.ranked`.
    """
    images_S = np.bincount(image_study_M, minlength=studies) if unit == "image" else np.ones(studies, np.int64)
    queried = np.asarray(image_study_M) if unit == "image" else np.arange(studies)  # study of each image query
    found = {}
    for suffix, group_S in (("", np.arange(studies)), (SAME_TEXT, text_group_S)):
        if group_S is None:
            continue
        _, index_S = np.unique(group_S, return_inverse=True)
        texts_S, group_images_S = (np.bincount(index_S, weights)[index_S].astype(int) for weights in (None, images_S))
        rows = int(images_S.sum())
        image_to_text, text_to_image = DIRECTIONS
        found[image_to_text + suffix] = Pool(rows, studies, texts_S[queried])
        found[text_to_image + suffix] = Pool(studies, rows, group_images_S)
    return found


def positives_per_query(text_group_S: np.ndarray) -> np.ndarray:
    """Number of studies of the pool with each study's report, itself included; shape S."""
    _, index, counts = np.unique(text_group_S, return_inverse=True, return_counts=True)
    return counts[index]


def chance(metric: str, candidates: int, positives_Q: Sequence[int] | np.ndarray = (1,)) -> float:
    """Expected value of a metric for random embeddings without ties.

    Args:
        metric: `recall_at_10`, `val/text_to_image/recall_at_10`, ...
        candidates: size of the pool.
        positives_Q: number of positives of each query; for `..._same_text` that of `positives_per_query`, for the
            image unit that of `pools`.
    """
    name = metric.rsplit("/", 1)[-1]
    sizes, counts = np.unique(np.asarray(positives_Q), return_counts=True)
    share = counts / counts.sum()
    if name == "rank_percentile":
        return float((share * np.where(sizes < candidates, sizes / (sizes + 1), 1)).sum())
    up_to_R = _best_rank_up_to(candidates, tuple(sizes.tolist()), tuple(share.tolist()))
    place = np.arange(candidates)
    if name.startswith("recall_at_"):
        return float(up_to_R[min(int(name.removeprefix("recall_at_")), candidates) - 1])
    at_R = np.diff(up_to_R, prepend=0.0)
    if name == "mean_reciprocal_rank":
        return float((at_R / (place + 1)).sum())
    if name == "mean_rank":
        return float((at_R * (place + 1)).sum())
    if name == "median_rank":
        return float(1 + (np.argmax(up_to_R > 0.5 - 1e-9) + np.argmax(up_to_R > 0.5 + 1e-9)) / 2)
    raise ValueError(f"unknown metric {metric!r}")


def guessed(metric: str, text_group_S: np.ndarray) -> float:
    """Part of what a perfect model reaches that random embeddings reach too; at 1 the metric distinguishes nothing.

    Nothing distinguishes studies with equal reports: a perfect model ranks theirs first, in any order. Of metrics of
    the rank itself, whose chance is always half of the way, it is that of the mean reciprocal rank.

    Args:
        metric: as for `chance`, without `_same_text`.
        text_group_S: equal for studies whose reports read the same.
    """
    name = metric.rsplit("/", 1)[-1]
    name = name if name.startswith("recall_at_") else "mean_reciprocal_rank"
    sizes, counts = np.unique(positives_per_query(text_group_S), return_counts=True)
    if "image_to_text" in metric:  # equal reports tie, at the middle of their ranks
        middle = (sizes + 1) / 2
        best = 1 / middle if name == "mean_reciprocal_rank" else middle <= int(name.removeprefix("recall_at_"))
    else:
        best = np.array([chance(name, int(size)) for size in sizes])
    return chance(name, len(text_group_S)) / max(float(np.average(best, weights=counts)), 1e-9)


@lru_cache(maxsize=8)  # asked for once a metric
def _best_rank_up_to(candidates: int, sizes: tuple[int, ...], share: tuple[float, ...]) -> np.ndarray:
    """P(rank <= r) for r = 1 to `candidates`, where a part `share` of the queries has that size of positives."""
    place = np.arange(candidates)
    later_R = np.zeros(candidates)
    for size, part in zip(sizes, share, strict=True):
        # P(rank > r) = P(the first r of a random order are all non-positives)
        later_R += part * np.cumprod(np.clip(candidates - size - place, 0, None) / (candidates - place))
    return 1 - later_R
