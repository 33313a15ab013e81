"""Resamples of the patients: one draw, shared by every model, arm, metric and size, so that differences stay paired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

CELLS_AT_A_TIME = 2**22  # of resamples x patients: 32 MiB
RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class PatientResamples:
    """The cluster bootstrap: whole patients are drawn with replacement, as many as there are.

    Counts are drawn from the seed at each use, chunk by chunk, always the same: nothing large is kept.

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8 (strategy 1).
    """

    patient_Q: np.ndarray  # number of each query's patient, 0 to patients - 1
    patients: int
    count: int
    seed: int

    @classmethod
    def draw(cls, patients_Q: Any, *, count: int = RESAMPLES, seed: int = 0) -> PatientResamples:
        """Args:
            patients_Q: the patient of each query or item; any values that can be sorted.
            count: number of resamples.

        Raises:
            ValueError: fewer than two patients.
        """
        names, codes_Q = np.unique(np.asarray(patients_Q), return_inverse=True)
        if len(names) < 2:
            raise ValueError(
                f"{len(codes_Q)} queries of {len(names)} patients: how results vary between patients "
                "cannot be estimated; evaluate on at least 2 patients"
            )
        return cls(codes_Q.reshape(-1), len(names), count, seed)

    def counts(self) -> Iterator[np.ndarray]:
        """Number of times that each patient was drawn: chunks of [resamples, patients], `count` rows in all."""
        rows = max(1, CELLS_AT_A_TIME // self.patients)
        for start in range(0, self.count, rows):
            size = min(rows, self.count - start)
            drawn = np.random.default_rng([self.seed, start]).integers(self.patients, size=(size, self.patients))
            drawn += np.arange(size)[:, None] * self.patients
            counts = np.bincount(drawn.reshape(-1), minlength=size * self.patients)
            yield counts.reshape(size, self.patients).astype(np.float64)

    def sums(self, values_MQ: np.ndarray) -> np.ndarray:
        """Sums over each patient's queries: [patients, M]."""
        sums_PM = np.zeros((self.patients, len(values_MQ)))
        np.add.at(sums_PM, self.patient_Q, values_MQ.T)
        return sums_PM

    def means(self, values_MQ: np.ndarray) -> np.ndarray:
        """Mean over the queries of each resample: [count, M]."""
        sums_PM = self.sums(values_MQ)
        queries_P = np.bincount(self.patient_Q, minlength=self.patients)
        return np.concatenate([n_BP @ sums_PM / (n_BP @ queries_P)[:, None] for n_BP in self.counts()])
