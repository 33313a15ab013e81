"""Validation curves whose truth is known: each query of a simulated run, at each validation.

A query is a hit if a normal deviate is above the level that gives the curve its value. The deviate is the sum of what
stays (some queries are easy), what drifts with the weights, what is new at each checkpoint, and what all queries of a
checkpoint share. Shapes: V validations, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

START = 0.05  # chance, where every curve begins
STAYS, DRIFTS, FRESH = 0.65, 0.20, 0.15  # variances of a query's deviate
DRIFT_STEPS = 400.0  # in which drift forgets by 1 / e
WOBBLE = 0.04  # deviation that all queries of a checkpoint share
MARGIN, RELATIVE = 0.01, 0.1  # of the definition of convergence

Shape = Callable[[np.ndarray], np.ndarray]  # steps, in time constants -> part of the gain
FAMILIES: dict[str, Shape] = {
    "exponential": lambda x: 1 - np.exp(-x),
    "two rates": lambda x: 1 - 0.5 * np.exp(-10 * x) - 0.5 * np.exp(-x),
    "power law": lambda x: 1 - 1 / (1 + x),
}


@dataclass(frozen=True)
class Curve:
    family: str
    constant: float  # steps
    gain: float

    def level(self, time_V: np.ndarray) -> np.ndarray:
        """Expected value after so many steps at the full rate."""
        return START + self.gain * FAMILIES[self.family](np.asarray(time_V, dtype=np.float64) / self.constant)

    def has_converged(self, time: float, horizon: float) -> bool:
        """True if `horizon` further steps add less than a tenth of the gain so far, or than the margin."""
        now, later = self.level(np.array([time, time + horizon]))
        return bool(later - now < max(RELATIVE * (now - START), MARGIN))


@dataclass(frozen=True)
class Jump(Curve):
    """An exponential that gains as much again, at once, after `at` steps."""

    at: float = 3000.0

    def level(self, time_V: np.ndarray) -> np.ndarray:
        time_V = np.asarray(time_V, dtype=np.float64)
        return super().level(time_V) + self.gain * (time_V >= self.at)


def outcomes(level_V: np.ndarray, step_V: np.ndarray, queries: int, rng: np.random.Generator) -> np.ndarray:
    """1 for a hit, [V, Q]."""
    deviate_VQ = np.sqrt(FRESH) * rng.standard_normal((len(level_V), queries), dtype=np.float32)
    deviate_VQ += np.sqrt(STAYS) * rng.standard_normal(queries, dtype=np.float32)
    drift_Q = rng.standard_normal(queries, dtype=np.float32)
    for number, passed in enumerate(np.diff(step_V, prepend=step_V[0])):
        kept = np.float32(np.exp(-passed / DRIFT_STEPS))
        drift_Q = kept * drift_Q + np.sqrt(1 - kept**2) * rng.standard_normal(queries, dtype=np.float32)
        deviate_VQ[number] += np.float32(np.sqrt(DRIFTS)) * drift_Q
    wobble_V = WOBBLE * rng.standard_normal(len(level_V))
    return deviate_VQ > (stats.norm.isf(level_V) - wobble_V).astype(np.float32)[:, None]
