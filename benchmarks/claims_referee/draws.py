"""One draw of all that a sweep measures, and the roles that its arms play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import special

from claims_referee.scenario import Clusters, Scenario

Role = str  # baseline, null, wild (5 times the spread between seeds), planted
Truth = dict[str, Any]  # JSON; see `oracle`


@dataclass(frozen=True)
class Draw:
    """Shapes: S sizes, A arms, R replicates, Q queries."""

    patient_Q: np.ndarray
    fold_Q: np.ndarray
    value_SAR: np.ndarray  # the metric on the test split
    validation_SAR: np.ndarray
    rank_SARQ: np.ndarray
    score_SARQ: np.ndarray | None = None
    label_Q: np.ndarray | None = None


class Generator(Protocol):
    scenario: Scenario
    pools: int

    def calibrate(self, draws: int) -> Truth:
        """The truth of each role."""

    def draw(self, rng: np.random.Generator, roles: Sequence[Role], truth: Truth, pool: int) -> Draw: ...


def roles(scenario: Scenario, planted: bool) -> list[Role]:
    """The role of each arm, the baseline first. Arms of the learner are different models, and have a number each."""
    found = ["baseline"] + ["null"] * (scenario.arms - 1)
    if scenario.wild == "arm":
        found[1] = "wild"
    if planted:
        found[-1] = "planted"
    if scenario.learner == "ridge":
        found[1:] = [f"{role}{1 + number % 3}" for number, role in enumerate(found[1:])]
    return found


def patients_of_queries(clusters: Clusters, patients: int, rng: np.random.Generator) -> np.ndarray:
    """Number of the patient of each query."""
    if clusters == "some two":
        queries_P = rng.choice((1, 2), p=(0.75, 0.25), size=patients)
    elif clusters == "five each":
        queries_P = np.full(patients, 5)
    elif clusters == "heavy":
        queries_P = np.ceil(2 * np.exp(1.2 * special.ndtri((np.arange(patients) + 0.5) / patients)))
    else:
        queries_P = np.ones(patients)
        queries_P[0] = patients - 1 if clusters == "half in one" else 1
    return np.repeat(np.arange(patients), queries_P.astype(int))
