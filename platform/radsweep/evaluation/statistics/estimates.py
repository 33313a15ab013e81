"""A metric of several arms and replicates on one test set, together with what each patient contributes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from radsweep.evaluation.statistics.patients import Patients, effective_number, unbiased


@dataclass(frozen=True, eq=False)
class Estimates:
    """Replicate r is the same subset and the same start in every arm. Shapes: A arms, R replicates, P patients."""

    arms: tuple[str, ...]
    value_AR: np.ndarray
    # each patient's deviation, weighted: sums of squares and products over patients are variances and covariances
    influence_PAR: np.ndarray
    patients: int
    queries: int
    patient_degrees: float  # effective number of patients, less 1
    span: float = 1.0  # width of the metric's range
    # of arms that have only some of these replicates, NaN for the others: they show how much seeds vary
    partial_AR: np.ndarray | None = None

    @property
    def replicates(self) -> int:
        return int(self.value_AR.shape[1])

    def weights(self, weight_of: Mapping[str, float]) -> np.ndarray:
        """A contrast of arms by name as an array, A. Raises KeyError on an arm that is not there."""
        if unknown := sorted(weight_of.keys() - set(self.arms)):
            raise KeyError(f"no arm {unknown[0]!r} among {', '.join(self.arms)}")
        return np.array([weight_of.get(arm, 0.0) for arm in self.arms])

    def select(self, arms: Sequence[str]) -> Estimates:
        """Some of the arms: a seed variance is then only pooled over these."""
        places = [self.arms.index(arm) for arm in arms]
        return replace(
            self,
            arms=tuple(arms),
            value_AR=self.value_AR[places],
            influence_PAR=self.influence_PAR[:, places],
            partial_AR=None,
        )

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
        value_AR, influence_PAR = self.value_AR[:, order].mean(-1), self.influence_PAR[:, :, order].mean(-1)
        partial_AR = None if self.partial_AR is None else self.partial_AR[:, order].mean(-1)
        return replace(self, value_AR=value_AR, influence_PAR=influence_PAR, partial_AR=partial_AR)


def estimate_means(values: Mapping[str, np.ndarray], patients: Patients, *, span: float = 1.0) -> Estimates:
    """The mean over queries of, say, a hit at 10 or the reciprocal rank.

    Args:
        values: by arm, [replicates, queries]; queries in the order of the patients.
        span: width of the metric's range: 1, or of a rank the number of candidates less 1.

    Raises:
        ValueError: sizes that do not fit, or values that are not finite.
    """
    values_ARQ = stacked(values, patients)
    arms, replicates, queries = values_ARQ.shape
    value_AR = values_ARQ.mean(-1)
    deviation_MQ = (values_ARQ - value_AR[..., None]).reshape(-1, queries)
    influence_PM = patients.sums(deviation_MQ) / queries * unbiased(patients.share_P)[:, None]
    return Estimates(
        arms=tuple(values),
        value_AR=value_AR,
        influence_PAR=influence_PM.reshape(-1, arms, replicates),
        patients=patients.count,
        queries=queries,
        patient_degrees=effective_number(patients.share_P) - 1,
        span=span,
    )


def macro_estimates(estimates: Sequence[Estimates]) -> Estimates:
    """The mean over classes of one metric, class by class over the same arms, replicates and patients."""
    first = estimates[0]
    if any(e.arms != first.arms or e.influence_PAR.shape != first.influence_PAR.shape for e in estimates):
        raise ValueError("classes differ in arms, replicates or patients")
    return Estimates(
        arms=first.arms,
        value_AR=np.mean([e.value_AR for e in estimates], axis=0),
        influence_PAR=np.mean([e.influence_PAR for e in estimates], axis=0),
        patients=max(e.patients for e in estimates),
        queries=max(e.queries for e in estimates),
        patient_degrees=min(e.patient_degrees for e in estimates),
        span=first.span,
    )


def stacked(values: Mapping[str, np.ndarray], patients: Patients) -> np.ndarray:
    """[arms, replicates, queries] in float64, checked."""
    shapes = {arm: np.shape(v) for arm, v in values.items()}
    wanted = len(patients.patient_Q)
    if len(set(shapes.values())) != 1 or any(len(s) != 2 or s[0] < 1 or s[1] != wanted for s in shapes.values()):
        raise ValueError(f"expected [replicates, {wanted} queries], the same in every arm; found {shapes}")
    values_ARQ = np.stack([np.asarray(v, dtype=np.float64) for v in values.values()])
    if not np.isfinite(values_ARQ).all():
        bad = [arm for arm, v_RQ in zip(values, values_ARQ, strict=True) if not np.isfinite(v_RQ).all()]
        raise ValueError(f"values that are not finite (NaN or infinity) in {', '.join(bad)}; leave that replicate out")
    return values_ARQ
