"""Results of queries from a model whose variance components are known, for tests of the statistics over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radsweep.evaluation.statistics import Estimates, Patients, estimate_means


@dataclass(frozen=True)
class Model:
    """Standard deviations of what a query's value is the sum of. Shapes: A arms, R replicates, P patients.

    A replicate or a patient that is the same for all arms cancels in a difference of arms. Of a difference of two arms
    over R replicates and P patients with one query each, V_P = 2 arm_patient^2 / P, V_I = 2 noise^2 / (P R) and
    V_S = 2 seed^2 / R + V_I.
    """

    replicate: float = 1.0
    seed: float | Sequence[float] = 0.2  # of each arm and replicate: the same for all arms, or by arm
    patient: float = 1.0
    arm_patient: float = 1.0
    noise: float = 1.0

    def draw(
        self, rng: np.random.Generator, arms: int = 2, replicates: int = 3, patients: int = 40, shift: float = 0.0
    ) -> np.ndarray:
        """[A, R, P]; `shift` is added to the first arm."""
        normal = rng.standard_normal
        seed_A11 = np.broadcast_to(self.seed, arms)[:, None, None]
        values_ARP: np.ndarray = (
            self.replicate * normal((1, replicates, 1))
            + seed_A11 * normal((arms, replicates, 1))
            + self.patient * normal((1, 1, patients))
            + self.arm_patient * normal((arms, 1, patients))
            + self.noise * normal((arms, replicates, patients))
        )
        values_ARP[0] += shift
        return values_ARP

    def estimates(
        self, rng: np.random.Generator, arms: int = 2, replicates: int = 3, patients: int = 40, shift: float = 0.0
    ) -> Estimates:
        return unbounded(named(self.draw(rng, arms, replicates, patients, shift)))


def named(values_ARQ: np.ndarray) -> dict[str, np.ndarray]:
    """Arms by the names a0, a1, ..."""
    return {f"a{number}": values_RQ for number, values_RQ in enumerate(values_ARQ)}


def unbounded(values: Mapping[str, np.ndarray], patient_Q: Sequence[int] | np.ndarray | None = None) -> Estimates:
    """Means whose intervals meet no bounds, of one query a patient by default."""
    queries = next(iter(values.values())).shape[1]
    return estimate_means(values, Patients.of(np.arange(queries) if patient_Q is None else patient_Q), span=1e6)
