"""What random embeddings would give: the level that every retrieval number is read against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def positives_per_query(text_group_S: np.ndarray) -> np.ndarray:
    """How many studies of the pool have each study's report, itself included; shape S."""
    _, index, counts = np.unique(text_group_S, return_inverse=True, return_counts=True)
    return counts[index]


def chance(metric: str, candidates: int, positives_Q: Sequence[int] | np.ndarray = (1,)) -> float:
    """What random embeddings give on average, ties apart.

    Args:
        metric: `recall_at_10`, `val/text_to_image/recall_at_10`, ...
        candidates: size of the pool.
        positives_Q: number of positives of each query; for `..._same_text` that of `positives_per_query`.
    """
    name = metric.rsplit("/", 1)[-1]
    sizes, counts = np.unique(np.asarray(positives_Q), return_counts=True)
    share = counts / counts.sum()
    if name == "rank_percentile":
        return float((share * np.where(sizes < candidates, sizes / (sizes + 1), 1)).sum())
    # P(rank > r) = P(the first r of a random order are all non-positives)
    place = np.arange(candidates)
    later_CR = np.cumprod(np.clip(candidates - sizes[:, None] - place, 0, None) / (candidates - place), axis=1)
    up_to_R = 1 - share @ later_CR
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
