"""The probability of each arm to be the best one, from the variance components that its intervals rest on.

Posterior draws of all arms at once, under a flat prior: their means, plus what patients and what seeds add. The
covariance of the arms follows from the variance of each pair's difference (`interval_width`) by double centring, as in
classical scaling (Torgerson 1952, Psychometrika 17:401-419); what all arms share does not matter to their order. Each
part has the tails of Student's t with its own degrees of freedom.
"""

from __future__ import annotations

import numpy as np

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.seeds import seed_parts, uneven_arms

DRAWS = 4000
FEWEST_DEGREES = 2.0  # of the variance between seeds


def best_probabilities(
    estimates: Estimates, *, higher_is_better: bool = True, draws: int = DRAWS, seed: int = 0
) -> dict[str, float]:
    """By arm, the share of draws in which no arm is better; empty with one arm, or too few seeds to know their spread.

    Arms with equal numbers in all replicates are one configuration: each has the probability of it.

    Example:
        >>> values = {"baseline": np.array([[0, 0, 1, 0]] * 3), "local": np.array([[1, 1, 1, 0]] * 3)}
        >>> found = best_probabilities(estimate_means(values, Patients.of(["a", "b", "c", "d"])))
    """
    _, first_D, same_A = np.unique(estimates.value_AR, axis=0, return_index=True, return_inverse=True)
    distinct = estimates.select([estimates.arms[place] for place in first_D])
    number = len(distinct.arms)
    if number < 2 or estimates.replicates < 2:
        return {}
    patients_DD, disagreement_DD = _patient_variances(distinct.influence_PAR)
    seeds_DD, seed_degrees = _seed_variances(distinct)
    if seed_degrees < FEWEST_DEGREES:
        return {}
    generator = np.random.default_rng(seed)
    draw_ND = np.tile(distinct.value_AR.mean(1), (draws, 1))
    draw_ND += _deviations(patients_DD, max(distinct.patient_degrees, 1.0), draws, generator)
    draw_ND += _deviations(np.maximum(seeds_DD, disagreement_DD), seed_degrees, draws, generator)
    best_N = (draw_ND if higher_is_better else -draw_ND).argmax(1)
    share_D = np.bincount(best_N, minlength=number) / draws
    return {arm: float(share_D[same]) for arm, same in zip(estimates.arms, same_A.reshape(-1), strict=True)}


def _patient_variances(influence_PDR: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`patient_variance` of the difference of every two arms, [D, D]: V_P and V_I."""
    replicates = influence_PDR.shape[2]
    each_DD = _of_differences(np.einsum("pdr,per->de", influence_PDR, influence_PDR, optimize=True)) / replicates
    all_PD = influence_PDR.sum(2)
    shared_DD = (_of_differences(all_PD.T @ all_PD) - replicates * each_DD) / (replicates * (replicates - 1))
    shared_DD = np.maximum(shared_DD, 0.0)
    return shared_DD, np.maximum(each_DD - shared_DD, 0.0) / replicates


def _seed_variances(estimates: Estimates) -> tuple[np.ndarray, float]:
    """V_S of the difference of every two arms, [D, D], as `seed_parts`; and the fewest degrees of freedom of one."""
    value_DR = estimates.value_AR
    own_DD = (value_DR[:, None] - value_DR[None]).var(-1, ddof=1) / estimates.replicates
    even = np.flatnonzero(~uneven_arms(value_DR))
    if len(even) < 2:
        return own_DD, estimates.replicates - 1.0
    contrast_D = np.zeros(len(value_DR))
    contrast_D[even[:2]] = 1.0, -1.0
    parts = seed_parts(estimates, contrast_D)  # the same for every two arms that vary alike
    pooled = sum(part.variance for part in parts) * (1 - np.eye(len(even)))
    own_DD[np.ix_(even, even)] = pooled
    degrees = [part.degrees for part in parts] + [estimates.replicates - 1.0] * (len(even) < len(value_DR))
    return own_DD, min(degrees, default=float("inf"))


def _of_differences(product_DD: np.ndarray) -> np.ndarray:
    """Squares of the differences of every two, from the products."""
    square_D = np.diag(product_DD)
    squares_DD: np.ndarray = square_D[:, None] + square_D - 2 * product_DD
    return squares_DD


def _deviations(pair_DD: np.ndarray, degrees: float, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Draws, [N, D], of which the difference of two has the variance in `pair_DD`, with the tails of Student's t."""
    number = len(pair_DD)
    centre_DD = np.eye(number) - 1 / number
    value_D, vector_DD = np.linalg.eigh(-0.5 * centre_DD @ pair_DD @ centre_DD)
    root_DD = vector_DD * np.sqrt(np.maximum(value_D, 0.0))
    scale_N = np.sqrt(degrees / generator.chisquare(degrees, draws)) if np.isfinite(degrees) else np.ones(draws)
    deviation_ND: np.ndarray = generator.standard_normal((draws, number)) @ root_DD.T * scale_N[:, None]
    return deviation_ND
