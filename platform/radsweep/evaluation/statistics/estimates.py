"""A metric of several arms and replicates on one test set, together with its values on resampled patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from radsweep.evaluation.statistics.resamples import PatientResamples


@dataclass(frozen=True, eq=False)
class Estimates:
    """Replicate r is the same subset and the same start in every arm. Shapes: A arms, R replicates, B resamples."""

    arms: tuple[str, ...]
    value_AR: np.ndarray
    resampled_BAR: np.ndarray  # the same resamples in all arms; NaN where a resample leaves the metric undefined
    patients: int
    queries: int
    patient_degrees: int  # degrees of freedom of a variance between patients

    @property
    def replicates(self) -> int:
        return int(self.value_AR.shape[1])

    @cached_property
    def resampled_mean_BA(self) -> np.ndarray:
        """Means over replicates; every comparison with an arm asks for them."""
        mean_BA: np.ndarray = self.resampled_BAR.mean(2)
        return mean_BA

    def weights(self, weight_of: Mapping[str, float]) -> np.ndarray:
        """A contrast of arms by name as an array, A. Raises KeyError on an arm that is not there."""
        if unknown := sorted(weight_of.keys() - set(self.arms)):
            raise KeyError(f"no arm {unknown[0]!r} among {', '.join(self.arms)}")
        return np.array([weight_of.get(arm, 0.0) for arm in self.arms])

    def select(self, arms: Sequence[str]) -> Estimates:
        """Some of the arms: a seed variance is then only pooled over these."""
        places = [self.arms.index(arm) for arm in arms]
        value_AR, resampled_BAR = self.value_AR[places], self.resampled_BAR[:, places]
        return replace(self, arms=tuple(arms), value_AR=value_AR, resampled_BAR=resampled_BAR)

    def over_starts(self, subset_R: Sequence[Any]) -> Estimates:
        """Replicates of one subset (equal values of `subset_R`) averaged: only subsets are independent of each other.

        Raises:
            ValueError: subsets with different numbers of starts.
        """
        _, subset, starts = np.unique(np.asarray(subset_R), return_inverse=True, return_counts=True)
        if len(subset) != self.replicates or len(set(starts)) != 1:
            raise ValueError(
                f"{self.replicates} replicates, but starts by subset: {starts.tolist()}; equal numbers wanted"
            )
        order = np.argsort(subset, kind="stable").reshape(len(starts), -1)
        value_AR, resampled_BAR = self.value_AR[:, order].mean(-1), self.resampled_BAR[:, :, order].mean(-1)
        return replace(self, value_AR=value_AR, resampled_BAR=resampled_BAR)


def estimate_means(values: Mapping[str, np.ndarray], resamples: PatientResamples) -> Estimates:
    """The mean over queries of, say, a hit at 10 or the reciprocal rank.

    Args:
        values: by arm, [replicates, queries]; queries in the order of the resamples' patients.

    Raises:
        ValueError: sizes that do not fit, or values that are not finite.
    """
    values_ARQ = stacked(values, resamples)
    arms, replicates, queries = values_ARQ.shape
    values_MQ = values_ARQ.reshape(-1, queries)
    return Estimates(
        arms=tuple(values),
        value_AR=values_ARQ.mean(-1),
        resampled_BAR=resamples.means(values_MQ).reshape(-1, arms, replicates),
        patients=resamples.patients,
        queries=queries,
        patient_degrees=resamples.patients - 1,
    )


def macro_estimates(estimates: Sequence[Estimates]) -> Estimates:
    """The mean over classes of one metric, class by class over the same arms, replicates and resamples."""
    first = estimates[0]
    if any(e.arms != first.arms or e.resampled_BAR.shape != first.resampled_BAR.shape for e in estimates):
        raise ValueError("classes differ in arms, replicates or resamples")
    return Estimates(
        arms=first.arms,
        value_AR=np.mean([e.value_AR for e in estimates], axis=0),
        resampled_BAR=np.mean([e.resampled_BAR for e in estimates], axis=0),
        patients=max(e.patients for e in estimates),
        queries=max(e.queries for e in estimates),
        patient_degrees=min(e.patient_degrees for e in estimates),
    )


def stacked(values: Mapping[str, np.ndarray], resamples: PatientResamples) -> np.ndarray:
    """[arms, replicates, queries] in float64, checked."""
    shapes = {arm: np.shape(v) for arm, v in values.items()}
    wanted = len(resamples.patient_Q)
    if len(set(shapes.values())) != 1 or any(len(s) != 2 or s[0] < 1 or s[1] != wanted for s in shapes.values()):
        raise ValueError(f"expected [replicates, {wanted} queries], the same in every arm; found {shapes}")
    values_ARQ = np.stack([np.asarray(v, dtype=np.float64) for v in values.values()])
    if not np.isfinite(values_ARQ).all():
        bad = [arm for arm, v_RQ in zip(values, values_ARQ, strict=True) if not np.isfinite(v_RQ).all()]
        raise ValueError(f"values that are not finite (NaN or infinity) in {', '.join(bad)}; leave that replicate out")
    return values_ARQ
