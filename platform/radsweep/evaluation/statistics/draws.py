"""Joint draws of patients and seeds, for what is not a weighted sum of arms."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from radsweep.evaluation.statistics.components import mean_squares, patient_spread
from radsweep.evaluation.statistics.estimates import Estimates


def joint_draws(estimates: Estimates, stretch_B1: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means over replicates of all arms of one size, patients and seeds drawn again: [B, A].

    Args:
        stretch_B1: what each draw's deviations are multiplied by; [resamples, 1].
    """
    mean_A = estimates.value_AR.mean(1)
    correction = ((estimates.patient_degrees + 1) / estimates.patient_degrees) ** 0.5
    patients_BA = correction * (estimates.resampled_mean_BA - mean_A)
    return mean_A + stretch_B1 * (patients_BA + _seed_draws(estimates, rng))


def _seed_draws(estimates: Estimates, rng: np.random.Generator) -> np.ndarray:
    """Normal deviations of the arms' means from those over a population of seeds: [B, A]; 0 with one seed."""
    count, (arms, replicates) = len(estimates.resampled_BAR), estimates.value_AR.shape
    if replicates == 1:
        return np.zeros((count, arms))
    if estimates not in _SPREADS:
        _SPREADS[estimates] = _seed_spread(estimates)
    spread = _SPREADS[estimates]
    normal_BD = rng.standard_normal((count, int(spread.same_A.max()) + 1))
    middle_B1 = normal_BD.mean(1, keepdims=True)
    deviation_BD = spread.common**0.5 * middle_B1
    if spread.own is not None:
        deviation_BD = deviation_BD + spread.own**0.5 * (normal_BD - middle_B1)
    return deviation_BD[:, spread.same_A] / replicates**0.5


@dataclass(frozen=True, eq=False)
class _SeedSpread:
    """Compound symmetry: one variance for what replicates share, one for what each arm has to itself, both less what
    replicates' disagreement about patients explains. Arms that gave the very same numbers deviate alike.
    """

    same_A: np.ndarray  # which of the distinct arms each is
    common: float
    own: float | None  # None if nothing is known of it


_SPREADS: WeakKeyDictionary[Estimates, _SeedSpread] = WeakKeyDictionary()  # a curve is drawn again for every arm on it


def _seed_spread(estimates: Estimates) -> _SeedSpread:
    _, first_D, same_A = np.unique(estimates.value_AR, axis=0, return_index=True, return_inverse=True)
    squares = mean_squares(estimates.value_AR)
    resampled_BDR = estimates.resampled_BAR[:, first_D]
    mean_BR = resampled_BDR.mean(1)
    explained = squares.arms * patient_spread(estimates, mean_BR).disagreement
    common = max(squares.between - explained, 0.0)
    if not squares.within_degrees:
        return _SeedSpread(same_A.reshape(-1), common, None)
    left = [patient_spread(estimates, resampled_BDR[:, d] - mean_BR) for d in range(squares.arms)]
    explained = sum(spread.disagreement for spread in left) / (squares.arms - 1)
    return _SeedSpread(same_A.reshape(-1), common, max(squares.within - explained, 0.0))
