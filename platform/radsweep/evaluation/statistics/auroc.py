"""AUROC of resampled patients, for intervals as of any other metric, and the paired test of two arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from radsweep.evaluation.statistics.components import patient_spread
from radsweep.evaluation.statistics.delong import delong_covariance
from radsweep.evaluation.statistics.estimates import Estimates, stacked
from radsweep.evaluation.statistics.intervals import LEVEL, two_sided_p
from radsweep.evaluation.statistics.resamples import PatientResamples


@dataclass(frozen=True, kw_only=True)
class AurocTest:
    """A difference of AUROC, averaged over replicates, of these trained models: seeds are not drawn again."""

    estimate: float
    low: float
    high: float
    level: float
    standard_error: float
    p: float
    method: Literal["DeLong", "cluster bootstrap"]
    seeds: int
    patients: int
    queries: int


def estimate_auroc(scores: Mapping[str, np.ndarray], label_N: Any, resamples: PatientResamples) -> Estimates:
    """AUROC of each arm and replicate, ties counted half; items whose label is NaN (not known) are left out.

    Args:
        scores: by arm, [replicates, items]; higher means positive.
        label_N: 1, 0 or NaN; items in the order of the resamples' patients.

    Raises:
        ValueError: sizes that do not fit, scores that are not finite, fewer than 2 patients with or without the class.
    """
    scores_ARN = stacked(scores, resamples)
    label_N = _checked_labels(label_N, resamples)
    positive, negative = (np.flatnonzero(label_N == value) for value in (1, 0))
    patients = [len(np.unique(resamples.patient_Q[index])) for index in (positive, negative)]
    if min(patients) < 2:
        raise ValueError(
            f"{patients[0]} patients have the class and {patients[1]} have not: AUROC and its interval "
            "need at least 2 of each; leave the class out or evaluate on more patients"
        )
    arms, replicates = scores_ARN.shape[:2]
    scores_MN = scores_ARN.reshape(arms * replicates, -1)
    everyone_1P = np.ones((1, resamples.patients))
    value_M = _weighted(scores_MN, positive, negative, everyone_1P, resamples)[0]
    chunks = [_weighted(scores_MN, positive, negative, n_BP, resamples) for n_BP in resamples.counts()]
    known = np.concatenate([positive, negative])
    return Estimates(
        arms=tuple(scores),
        value_AR=value_M.reshape(arms, replicates),
        resampled_BAR=np.concatenate(chunks).reshape(-1, arms, replicates),
        patients=len(np.unique(resamples.patient_Q[known])),
        queries=len(known),
        patient_degrees=min(patients) - 1,  # the rarer side decides how well the variance is known
    )


def auroc_test(
    first_RN: np.ndarray, second_RN: np.ndarray, label_N: Any, resamples: PatientResamples, *, level: float = LEVEL
) -> AurocTest:
    """AUROC of the first minus that of the second, paired: DeLong, or the cluster bootstrap where patients repeat.

    Arguments and errors as `estimate_auroc`; scores are [replicates, items].
    """
    estimates = estimate_auroc({"first": first_RN, "second": second_RN}, label_N, resamples)
    label_N = _checked_labels(label_N, resamples)
    known = np.flatnonzero(np.isfinite(label_N))
    repeats = estimates.patients < len(known)
    if repeats:
        difference_BR = (estimates.resampled_BAR[:, 0] - estimates.resampled_BAR[:, 1]).mean(1, keepdims=True)
        variance = patient_spread(estimates, difference_BR).of_one
    else:
        scores_MN = np.concatenate([np.asarray(first_RN), np.asarray(second_RN)])[:, known]
        _, covariance_MM = delong_covariance(scores_MN, label_N[known])
        weight_M = np.repeat([1.0, -1.0], len(first_RN)) / len(first_RN)
        variance = float(weight_M @ covariance_MM @ weight_M)
    difference = float((estimates.value_AR[0] - estimates.value_AR[1]).mean())
    error = max(variance, 0.0) ** 0.5
    half = float(stats.norm.ppf((1 + level) / 2)) * error
    return AurocTest(
        estimate=difference,
        low=difference - half,
        high=difference + half,
        level=level,
        standard_error=error,
        p=two_sided_p(difference, error, np.inf, estimates.patient_degrees),
        method="cluster bootstrap" if repeats else "DeLong",
        seeds=estimates.replicates,
        patients=estimates.patients,
        queries=len(known),
    )


def _checked_labels(label_N: Any, resamples: PatientResamples) -> np.ndarray:
    labels = np.asarray(label_N, dtype=np.float64)
    if labels.shape != resamples.patient_Q.shape or not np.isin(labels[np.isfinite(labels)], (0, 1)).all():
        raise ValueError(f"labels: expected 1, 0 or NaN for each of {len(resamples.patient_Q)} items")
    return labels


def _weighted(
    scores_MN: np.ndarray, positive: np.ndarray, negative: np.ndarray, n_BP: np.ndarray, resamples: PatientResamples
) -> np.ndarray:
    """AUROC [B, M] with each item as often as its patient was drawn; NaN where a resample lacks either side."""
    positives_BI, negatives_BJ = n_BP[:, resamples.patient_Q[positive]], n_BP[:, resamples.patient_Q[negative]]
    pairs_B = positives_BI.sum(1) * negatives_BJ.sum(1)
    result_BM = np.full((len(n_BP), len(scores_MN)), np.nan)
    below_BJ = np.zeros((len(n_BP), len(negative) + 1))
    for m, score_N in enumerate(scores_MN):
        order = np.argsort(score_N[negative])
        sorted_J = score_N[negative][order]
        np.cumsum(negatives_BJ[:, order], axis=1, out=below_BJ[:, 1:])
        below, not_above = (np.searchsorted(sorted_J, score_N[positive], side) for side in ("left", "right"))
        won_B = (positives_BI * (below_BJ[:, below] + below_BJ[:, not_above])).sum(1) / 2
        np.divide(won_B, pairs_B, out=result_BM[:, m], where=pairs_B > 0)
    return result_BM
