"""The oracle of convergence.py: it knows the family of a curve and the covariance of its noise.

Shapes: V validations, B stretches of them, R runs.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from simulated_curves import FAMILIES, MARGIN, RELATIVE, WOBBLE, Curve, outcomes

STRETCHES, FEWEST = 24, 4
CONSTANTS = np.geomspace(50, 60_000, 40)  # that it considers
MANY = 4000  # queries that show the covariance of one


class Oracle:
    """Curves of one shape, validated at these steps."""

    def __init__(self, curve: Curve, step_V: np.ndarray, time_V: np.ndarray, warmup: int, budget: int) -> None:
        self.shape = FAMILIES[curve.family]
        used_V = (step_V > warmup) & (step_V <= budget)
        edges = np.geomspace(time_V[used_V][0], time_V[used_V][-1] * (1 + 1e-9), STRETCHES + 1)
        place_V = np.where(used_V, np.searchsorted(edges, time_V, side="right") - 1, -1)
        self.members = [np.flatnonzero(place_V == place) for place in range(STRETCHES)]
        self.members = [members for members in self.members if len(members)]
        self.time_B = np.array([time_V[members].mean() for members in self.members])
        self.step_B = np.array([step_V[members[-1]] for members in self.members])
        self.now_B = np.array([time_V[members[-1]] for members in self.members])
        self.converged_B = [curve.has_converged(*place) for place in zip(self.now_B, self.step_B, strict=True)]
        level_V = curve.level(time_V)
        hit_VQ = outcomes(level_V, step_V, MANY, np.random.default_rng(0))
        self.query_BB = np.cov(np.array([hit_VQ[members].mean(0) for members in self.members]))
        moved_V = WOBBLE * stats.norm.pdf(stats.norm.isf(level_V))
        self.wobble_B = np.array([np.mean(moved_V[members] ** 2) / len(members) for members in self.members])

    def deviates(self, mean_RV: np.ndarray, queries: int) -> np.ndarray:
        """Signed root of the likelihood ratio at the end of each stretch, [R, B]: positive if converged."""
        mean_RB = np.column_stack([mean_RV[:, members].mean(1) for members in self.members])
        noise_BB = self.query_BB / queries + np.diag(self.wobble_B)
        found = np.zeros_like(mean_RB)
        for last in range(FEWEST - 1, len(self.members)):
            until = slice(0, last + 1)
            white_BB = np.linalg.inv(np.linalg.cholesky(noise_BB[until, until]))
            found[:, last] = self._deviate(white_BB, mean_RB[:, until], last)
        return found

    def _deviate(self, white_BB: np.ndarray, mean_RB: np.ndarray, last: int) -> np.ndarray:
        one_B = white_BB.sum(1)
        one_B /= np.linalg.norm(one_B)
        data_RB = mean_RB @ white_BB.T
        data_RB -= np.outer(data_RB @ one_B, one_B)  # the level is free
        whole_R = (data_RB**2).sum(1)
        every, bad, good = [], [], []
        for constant in CONSTANTS:
            now, later = self.shape(np.array([self.now_B[last], self.now_B[last] + self.step_B[last]]) / constant)
            shape_B = white_BB @ self.shape(self.time_B[: last + 1] / constant)
            shape_B -= (shape_B @ one_B) * one_B
            size = shape_B @ shape_B
            gain_R = data_RB @ shape_B / size

            def misfit(gain: np.ndarray, size: float = size, gain_R: np.ndarray = gain_R) -> np.ndarray:
                return whole_R + size * ((gain - gain_R) ** 2 - gain_R**2)

            gain_R = np.maximum(gain_R, 0)
            every.append(misfit(gain_R))
            if later - now < RELATIVE * now:
                good.append(every[-1])
            else:
                limit = MARGIN / (later - now)
                bad.append(misfit(np.maximum(gain_R, limit)))
                good.append(misfit(np.minimum(gain_R, limit)))
        best_R = np.min(every, axis=0)
        worst_R = np.full_like(best_R, np.inf)
        bad_R, good_R = (np.min(each, axis=0) if each else worst_R for each in (bad, good))
        return np.where(bad_R > good_R, 1, -1) * np.sqrt(np.maximum(0, np.maximum(bad_R, good_R) - best_R))
