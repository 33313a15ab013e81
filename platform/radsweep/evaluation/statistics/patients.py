"""The patients behind the queries of a test set: results of one patient vary together, so patients are what counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Patients:
    """Shapes: Q queries or items, P patients."""

    patient_Q: np.ndarray  # number of each query's patient, 0 to count - 1
    count: int

    @classmethod
    def of(cls, patients_Q: Any) -> Patients:
        """Number the patients of the queries; any values that can be sorted.

        Raises:
            ValueError: fewer than two patients.
        """
        names, codes_Q = np.unique(np.asarray(patients_Q), return_inverse=True)
        if len(names) < 2:
            raise ValueError(
                f"{len(codes_Q)} queries of {len(names)} patients: how results vary between patients "
                "cannot be estimated; evaluate on at least 2 patients"
            )
        return cls(codes_Q.reshape(-1), len(names))

    @cached_property
    def share_P(self) -> np.ndarray:
        """Each patient's share of the queries."""
        share_P: np.ndarray = np.bincount(self.patient_Q, minlength=self.count) / len(self.patient_Q)
        return share_P

    def sums(self, values_MQ: np.ndarray) -> np.ndarray:
        """Sums over each patient's queries: [patients, M]."""
        order = np.argsort(self.patient_Q, kind="stable")
        starts = np.searchsorted(self.patient_Q[order], np.arange(self.count))
        sums_MP: np.ndarray = np.add.reduceat(values_MQ[:, order], starts, axis=1)
        return sums_MP.T


def effective_number(share_P: np.ndarray) -> float:
    """The number of patients with equal shares whose mean would vary as much: 1 / sum of squared shares (Kish 1965)."""
    return float(1 / (share_P**2).sum())


def unbiased(share_P: np.ndarray) -> np.ndarray:
    """Factors for each patient's deviation from the overall mean, so that its square has the right expectation: [P].

    The overall mean is drawn towards a patient with a large share: if patients' means vary alike, the squared deviation
    of one has the expectation sigma^2 (1 - 2 share + sum of squared shares). With equal shares this is n / (n - 1).
    """
    factor_P: np.ndarray = (1 - 2 * share_P + (share_P**2).sum()) ** -0.5
    return factor_P
