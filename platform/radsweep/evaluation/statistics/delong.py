"""DeLong's covariance of the AUROC of several models on the same items, by middle ranks."""

from __future__ import annotations

import numpy as np
from scipy import stats


def delong_covariance(scores_MN: np.ndarray, label_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC of M models [M] and its covariance [M, M]; ties count half.

    Source: DeLong et al. 1988, Biometrics 44:837-845; by ranks, N log N: Sun and Xu 2014, IEEE Signal Process. Lett.
    21:1389-1393.

    Raises:
        ValueError: fewer than 2 positive or 2 negative items.
    """
    positive_MI, negative_MJ = scores_MN[:, label_N == 1], scores_MN[:, label_N == 0]
    positives, negatives = positive_MI.shape[1], negative_MJ.shape[1]
    if min(positives, negatives) < 2:
        raise ValueError(f"{positives} positive and {negatives} negative items: DeLong needs at least 2 of each")
    rank_MN = stats.rankdata(np.concatenate([positive_MI, negative_MJ], axis=1), axis=1)
    # of each item, the part of the other side that it beats
    beats_MI = (rank_MN[:, :positives] - stats.rankdata(positive_MI, axis=1)) / negatives
    beats_MJ = 1 - (rank_MN[:, positives:] - stats.rankdata(negative_MJ, axis=1)) / positives
    covariance_MM = np.cov(beats_MI) / positives + np.cov(beats_MJ) / negatives
    return beats_MI.mean(1), np.atleast_2d(covariance_MM)
