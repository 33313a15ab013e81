"""AUROC of arms and replicates, with what each patient contributes to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from radsweep.evaluation.statistics.estimates import Estimates, stacked
from radsweep.evaluation.statistics.patients import Patients, effective_number, unbiased


def estimate_auroc(scores: Mapping[str, np.ndarray], label_N: Any, patients: Patients) -> Estimates:
    """AUROC of each arm and replicate, ties counted half; items whose label is NaN (not known) are left out.

    An item contributes its placement: the share of the other side that it beats. Sums over a patient's items give the
    variance of DeLong et al. (1988, Biometrics 44:837-845), and with several items a patient that of Obuchowski (1997,
    Biometrics 53:567-578).

    Args:
        scores: by arm, [replicates, items]; higher means positive.
        label_N: 1, 0 or NaN; items in the order of the patients.

    Raises:
        ValueError: sizes that do not fit, scores that are not finite, fewer than 2 patients with or without the class.
    """
    scores_ARN = stacked(scores, patients)
    label_N = _checked_labels(label_N, patients)
    positive, negative = (np.flatnonzero(label_N == value) for value in (1, 0))
    counts = [len(np.unique(patients.patient_Q[index])) for index in (positive, negative)]
    if min(counts) < 2:
        raise ValueError(
            f"{counts[0]} patients have the class and {counts[1]} have not: AUROC and its interval "
            "need at least 2 of each; leave the class out or evaluate on more patients"
        )
    arms, replicates = scores_ARN.shape[:2]
    scores_MN = scores_ARN.reshape(arms * replicates, -1)
    beats_MI, beats_MJ = placements(scores_MN[:, positive], scores_MN[:, negative])
    value_M = beats_MI.mean(1)
    influence_PM = np.zeros((patients.count, arms * replicates))
    effective = []
    for index, beats in ((positive, beats_MI), (negative, beats_MJ)):
        share_P = np.bincount(patients.patient_Q[index], minlength=patients.count) / len(index)
        deviation_MN = np.zeros_like(scores_MN)
        deviation_MN[:, index] = (beats - value_M[:, None]) / len(index)
        influence_PM += patients.sums(deviation_MN) * unbiased(share_P)[:, None]
        effective.append(effective_number(share_P))
    known = np.concatenate([positive, negative])
    return Estimates(
        arms=tuple(scores),
        value_AR=value_M.reshape(arms, replicates),
        influence_PAR=influence_PM.reshape(-1, arms, replicates),
        patients=len(np.unique(patients.patient_Q[known])),
        queries=len(known),
        patient_degrees=min(effective) - 1,  # the rarer side decides how well the variance is known
    )


def placements(positive_MI: np.ndarray, negative_MJ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of the other side that each positive and each negative item beats, ties counted half, by mid-ranks.

    Source: Sun and Xu 2014, IEEE Signal Process. Lett. 21:1389-1393.
    """
    positives, negatives = positive_MI.shape[1], negative_MJ.shape[1]
    rank_MN = stats.rankdata(np.concatenate([positive_MI, negative_MJ], axis=1), axis=1)
    beats_MI = (rank_MN[:, :positives] - stats.rankdata(positive_MI, axis=1)) / negatives
    beats_MJ = 1 - (rank_MN[:, positives:] - stats.rankdata(negative_MJ, axis=1)) / positives
    return beats_MI, beats_MJ


def _checked_labels(label_N: Any, patients: Patients) -> np.ndarray:
    labels = np.asarray(label_N, dtype=np.float64)
    if labels.shape != patients.patient_Q.shape or not np.isin(labels[np.isfinite(labels)], (0, 1)).all():
        raise ValueError(f"labels: expected 1, 0 or NaN for each of {len(patients.patient_Q)} items")
    return labels
