"""Groups of test queries: does the difference between two arms vary between them? Exploratory.

A group has its own `Estimates`, over its own queries and patients. The interaction of arm and group is the difference
in one group less the difference in the others, paired by replicate, and its variance has the same parts as that of any
contrast (`interval_width`). With three groups or more each is compared with the rest, corrected by Bonferroni.

A small group in which no patient happens to change has an observed variance of 0, and its interaction would always be
"significant". So the variance between patients of a group is at least that of all groups pooled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.interval_width import Components, components
from radsweep.evaluation.statistics.seeds import VariancePart

FEWEST_PATIENTS = 20  # of a group


@dataclass(frozen=True, eq=False)
class GroupEstimates:
    """One metric of the same arms and replicates in one group of queries. Shapes: P patients of the group."""

    estimates: Estimates
    patient_P: np.ndarray  # number of each patient among those of all queries: one may be in several groups

    @property
    def patients(self) -> float:
        """Their effective number."""
        return self.estimates.patient_degrees + 1


def interaction(groups: Sequence[GroupEstimates], arms: Sequence[str], against: str) -> dict[str, float]:
    """p of each arm: the chance of differences from `against` that vary so much between groups, if they do not.

    Groups have no query in common. The result is only as good as each group's size: leave out groups of fewer than
    `FEWEST_PATIENTS` patients.

    Raises:
        ValueError: fewer than two groups.

    Example:
        >>> from radsweep.evaluation.statistics import Patients, estimate_means
        >>> patients, rng = np.arange(60), np.random.default_rng(0)
        >>> base = rng.random((3, 60))
        >>> def group(queries: slice, gain: float) -> GroupEstimates:
        ...     values = {"base": base[:, queries], "arm": base[:, queries] + gain + 0.01 * rng.random((3, 30))}
        ...     return GroupEstimates(estimate_means(values, Patients.of(patients[queries])), patients[queries])
        >>> interaction([group(slice(30), 0.5), group(slice(30, 60), 0.1)], ["arm"], "base")["arm"] < 0.001
        True
    """
    if len(groups) < 2:
        raise ValueError(f"{len(groups)} groups; an interaction needs two")
    weights = _against_the_rest(groups)
    combined = [contrast_of_groups(groups, weight_G) for weight_G in weights]
    found = {}
    for arm in arms:
        contrast_A = combined[0].weights({arm: 1.0, against: -1.0})
        p = min(
            _with_pooled_patients(components(of, contrast_A), groups, weight_G, contrast_A).p_value()
            for of, weight_G in zip(combined, weights, strict=True)
        )
        found[arm] = min(1.0, len(weights) * p)
    return found


def contrast_of_groups(groups: Sequence[GroupEstimates], weight_G: np.ndarray) -> Estimates:
    """A weighted sum of groups, arm by arm and replicate by replicate, as one metric over the patients of all."""
    first = groups[0].estimates
    patients = 1 + max(int(group.patient_P.max()) for group in groups)
    influence_PAR = np.zeros((patients, *first.value_AR.shape))
    for group, weight in zip(groups, weight_G, strict=True):
        influence_PAR[group.patient_P] += weight * group.estimates.influence_PAR
    return Estimates(
        arms=first.arms,
        value_AR=np.tensordot(weight_G, np.stack([group.estimates.value_AR for group in groups]), 1),
        influence_PAR=influence_PAR,
        patients=len(np.unique(np.concatenate([group.patient_P for group in groups]))),
        queries=sum(group.estimates.queries for group in groups),
        patient_degrees=min(group.estimates.patient_degrees for group in groups),
        span=first.span * float(np.abs(weight_G).sum()),
    )


def _against_the_rest(groups: Sequence[GroupEstimates]) -> list[np.ndarray]:
    """Weights of each group less the mean of the others over their queries; two groups have one such contrast."""
    queries_G = np.array([group.estimates.queries for group in groups], dtype=np.float64)
    weights = []
    for place in range(1 if len(groups) == 2 else len(groups)):
        weight_G = -queries_G / (queries_G.sum() - queries_G[place])
        weight_G[place] = 1.0
        weights.append(weight_G)
    return weights


def _with_pooled_patients(
    found: Components, groups: Sequence[GroupEstimates], weight_G: np.ndarray, contrast_A: np.ndarray
) -> Components:
    """Add what a group's variance between patients lacks of that of all groups pooled."""
    number_G = np.array([group.patients for group in groups])
    queries_G = np.array([group.estimates.queries for group in groups])
    means = (np.tensordot(group.estimates.influence_PAR, contrast_A, (1, 0)).mean(1) for group in groups)
    variance_G = np.array([float((mean_P**2).sum()) for mean_P in means])
    pooled = float(np.average(variance_G * number_G, weights=queries_G))  # of one patient
    lacking = float((weight_G**2 * np.maximum(pooled / number_G - variance_G, 0)).sum())
    patients = VariancePart(found.patients.variance + lacking, found.patients.degrees)
    return replace(found, patients=patients)
