"""Decide if a metric has stopped rising, from what the same queries got at several validations.

Converged means: as many further steps at the same learning rate would add less than a tenth of the gain so far, or less
than a margin. A gain that comes later than a curve of falling slope lets one expect cannot be foreseen.

The curve over steps t is level - gain (w exp(-t / tau_1) + (1 - w) exp(-t / tau_2)): one or two time constants, of
which one may be so long that the curve is straight. Power laws are close to such sums over the steps that are looked
at. For each choice of w and tau, level and gain follow from the validations by least squares, with the gain's
uncertainty. The answer is the probability that the further gain matters, averaged over the curves by their likelihood.

The noise is measured, not assumed. Queries are independent, so that the covariance of their results at several
validations holds all of their chance, however long it lasts. What moves all queries together from one checkpoint to the
next is added to it.

Shapes: Q queries, B stretches of training, C contrasts of stretches, K curves.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from radsweep.config.training import Convergence

RELATIVE = 0.1  # part of the gain so far that doubling the steps may add
WINDOW = 8.0  # stretches from an eighth of the steps on count: older ones say little of what is to come
FEWEST = 6  # stretches
CONVERGED, RISING = 0.2, 0.95  # probabilities of a gain that matters; chosen with benchmarks/convergence.py
BEGUN = 2.0  # standard errors above chance, from which on a curve has begun to rise
UNSEEN = 1.0  # queries that may have changed unseen; compare the rule of three
CONSTANTS = tuple(2.0**power for power in range(-4, 4))  # of time, as parts of the steps so far
WEIGHTS = (0.25, 0.5, 0.75)
STRAIGHT = 4.0  # times the steps so far, at which a straight line reaches 0


class Stretches(NamedTuple):
    """Validations of a run at a constant rate, averaged within stretches that follow one another."""

    time_B: np.ndarray  # steps, counted at the full learning rate
    count_B: np.ndarray  # validations
    value_QB: np.ndarray  # each query's mean, higher is better
    wobble: float  # variance of a validation's mean beyond the chance of its queries; infinite if not known
    first_Q: np.ndarray  # each query at the first validation


def judge(found: Stretches, horizon: float, margin: float, chance: float) -> Convergence:
    """Judge the curve up to its last stretch.

    Args:
        horizon: further steps that would not add enough.
        margin: smallest gain that matters, as a part of 1.
        chance: value of random embeddings. A flat curve there has not begun to rise.
    """
    doubt = probability_of_gain(found, horizon, margin, chance)
    if doubt is None:
        return "cannot tell"
    if doubt < CONVERGED:
        return "converged"
    return "still rising" if doubt > RISING else "cannot tell"


def probability_of_gain(found: Stretches, horizon: float, margin: float, chance: float) -> float | None:
    """Probability that `horizon` further steps gain what matters; None without evidence."""
    kept = found.time_B >= found.time_B[-1] / WINDOW
    time_B, value_QB = found.time_B[kept], found.value_QB[:, kept]
    queries, stretches = value_QB.shape
    contrasts = stretches - 1
    if stretches < FEWEST or queries < contrasts + 3 or not np.isfinite(found.wobble):
        return None
    level_Q = value_QB[:, -1]
    if level_Q.mean() - chance <= BEGUN * level_Q.std(ddof=1) / queries**0.5:
        return None
    noise_BB = np.cov(value_QB, rowvar=False) / queries
    noise_BB += np.diag(found.wobble / found.count_B[kept] + UNSEEN / queries**2)
    # the inverse of an estimated covariance is too large: the mean of an inverse Wishart distribution
    noise_BB *= (queries - 1) / (queries - contrasts - 2)
    # the level is free: only differences from the last stretch count
    change_CB = np.hstack([np.eye(contrasts), -np.ones((contrasts, 1))])
    white_CB = np.linalg.solve(np.linalg.cholesky(change_CB @ noise_BB @ change_CB.T), change_CB)

    now = time_B[-1]
    rise_CK, data_C = -white_CB @ still_to_come(time_B / now), white_CB @ value_QB.mean(axis=0)
    size_K = (rise_CK**2).sum(axis=0)
    gain_K, error_K = rise_CK.T @ data_C / size_K, size_K**-0.5
    fit_K = np.where(gain_K > 0, size_K * gain_K**2, 0.0)  # less misfit than a flat line has
    weight_K = np.exp((fit_K - fit_K.max()) / 2)

    here_K, later_K = still_to_come(np.array([1.0, 1 + horizon / now]))
    so_far = value_QB[:, -2:].mean() - found.first_Q.mean()
    matters = max(RELATIVE * so_far, margin)
    above_K = ndtr((gain_K - matters / (here_K - later_K)) / error_K) / np.maximum(ndtr(gain_K / error_K), 1e-12)
    return float(weight_K @ np.minimum(above_K, 1) / weight_K.sum())


def still_to_come(time_B: np.ndarray) -> np.ndarray:
    """Part of the gain that each curve still has ahead, [B, K]; times are parts of the steps so far."""
    single = [np.exp(-time_B / constant) for constant in CONSTANTS] + [1 - time_B / STRAIGHT]
    pairs = itertools.combinations(single, 2)
    mixed = [weight * one + (1 - weight) * other for one, other in pairs for weight in WEIGHTS]
    return np.column_stack(single + mixed)
