"""Metrics of ranks and of scores, over the last axis; written apart from the code under test."""

from __future__ import annotations

import numpy as np

CANDIDATES = 400
BOUNDS = {"median_rank": (1.0, CANDIDATES), "mean_rank": (1.0, CANDIDATES)}  # the others lie between 0 and 1
LOWER_IS_BETTER = ("median_rank", "mean_rank")


def tied(rank: np.ndarray, ties: int) -> np.ndarray:
    """The middle rank of each run of `ties` neighbouring ranks."""
    return rank if not ties else np.floor((rank - 1) / ties) * ties + (ties + 1) / 2


def share(metric: str, rank: np.ndarray) -> np.ndarray:
    """Share of each query in a metric that is a mean over queries."""
    if metric.startswith("recall_at_"):
        return (rank <= int(metric.removeprefix("recall_at_"))).astype(float)
    return {
        "mean_rank": rank,
        "mean_reciprocal_rank": 1 / rank,
        "rank_percentile": 1 - (rank - 1) / (CANDIDATES - 1),
    }[metric]


def of_ranks(metric: str, rank: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.median(rank, axis=-1) if metric == "median_rank" else share(metric, rank).mean(-1)
    return found


def auroc(score: np.ndarray, label_Q: np.ndarray) -> np.ndarray:
    """By the rank sum of the positives; scores do not tie."""
    place = np.argsort(np.argsort(score, axis=-1), axis=-1) + 1.0
    positives = int(label_Q.sum())
    negatives = len(label_Q) - positives
    above: np.ndarray = place[..., label_Q == 1].sum(-1) - positives * (positives + 1) / 2
    return above / (positives * negatives)
