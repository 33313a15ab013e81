"""The variance of a contrast of arms, averaged over replicates: how it varies between patients and between seeds.

theta_ar is the metric of arm a in replicate r, c the contrast, R the number of replicates, D_r = sum_a c_a theta_ar.

    estimate = mean_r D_r
    V_P  patients: variance of the estimate over resampled patients, the trained models held
    V_I  the part of V_P in which replicates disagree about patients: (mean variance of D_r over resampled patients
         - mean covariance of D_r and D_s) / R
    V_S  seeds: variance of D_r over replicates, pooled over arms, / R; it contains V_I
    variance = V_P + max(V_S - V_I, 0), so that V_I is not counted twice
    degrees of freedom = variance^2 / (V_S^2 / nu_S + V_P^2 / nu_P)

This is the random-reader random-case variance of Obuchowski and Rockette (1995, Commun. Stat. Simul. 24:285-308) with
seeds for readers, its mean squares held positive, and degrees of freedom after Satterthwaite as in Hillis (2007, Stat.
Med. 26:596-619). The target is the mean over a population of queries and of seeds, with the candidate pool fixed.

Pooling assumes that all arms vary alike between seeds and that any two correlate alike (compound symmetry, the
classical randomised block design: replicates are blocks). Then sum_a c_a^2 and (sum_a c_a)^2 weigh two mean squares.
Simulated, an arm whose seeds vary twice as much as those of three others is covered in 86 % instead of 95 where seeds
dominate, differences from it in 91 %; `Estimates.select` pools over fewer arms, at the price of degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radsweep.evaluation.statistics.estimates import Estimates


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of A arms x R replicates: between replicates, and the rest within them (0 for a single arm)."""

    arms: int
    between: float
    between_degrees: int
    within: float
    within_degrees: int


@dataclass(frozen=True)
class Components:
    estimate: float
    variance: float
    degrees_of_freedom: float
    patients: float  # V_P
    seeds: float | None  # max(V_S - V_I, 0); None with a single seed
    unsure: float  # V_S^2 / nu_S


@dataclass(frozen=True)
class PatientSpread:
    """Variances over resampled patients, of R replicates: without their covariances, of which there are R^2."""

    of_one: float  # mean of those of each replicate
    of_the_mean: float  # V_P: of the replicates' mean, which is the mean of all covariances, [R, R]
    replicates: int

    @property
    def disagreement(self) -> float:
        """R x V_I: mean variance less mean covariance, of two or more replicates."""
        count = self.replicates
        covariance = (count * self.of_the_mean - self.of_one) / (count - 1)
        return self.of_one - covariance


def components(estimates: Estimates, contrast_A: np.ndarray) -> Components:
    """Estimate and variance of a contrast; with one replicate the variance is only that of patients."""
    difference_R = contrast_A @ estimates.value_AR
    spread = patient_spread(estimates, contrast_A @ estimates.resampled_BAR)
    patients, degrees = spread.of_the_mean, float(estimates.patient_degrees)
    estimate = float(difference_R.mean())
    if estimates.replicates == 1:
        return Components(estimate, patients, degrees, patients, None, 0.0)
    seeds, seed_degrees = _seed_variance(estimates.value_AR, contrast_A)
    excess = max(seeds - spread.disagreement, 0.0) / estimates.replicates
    unsure = (seeds / estimates.replicates) ** 2 / seed_degrees
    found = satterthwaite(patients, degrees, excess, unsure)
    return Components(estimate, patients + excess, found, patients, excess, unsure)


def satterthwaite(patients: float, patient_degrees: float, excess: float, unsure: float) -> float:
    """Degrees of freedom of V_P + excess, where `unsure` sums V_S^2 / nu_S over independent sets of seeds."""
    spread = unsure + patients**2 / patient_degrees
    return (patients + excess) ** 2 / spread if spread else patient_degrees


def patient_spread(estimates: Estimates, resampled_BR: np.ndarray) -> PatientSpread:
    """Over resampled patients; resamples that leave the metric undefined are left out."""
    defined_BR = resampled_BR[np.isfinite(resampled_BR).all(1)]
    # n patients drawn of n vary less than n of a population, by (n - 1) / n
    correction = (estimates.patient_degrees + 1) / estimates.patient_degrees
    of_one, of_the_mean = defined_BR.var(0, ddof=1).mean(), defined_BR.mean(1).var(ddof=1)
    return PatientSpread(float(of_one) * correction, float(of_the_mean) * correction, resampled_BR.shape[1])


def mean_squares(value_AR: np.ndarray) -> MeanSquares:
    """Two-way analysis of variance without replication; arms that gave the very same numbers count once."""
    distinct_AR = np.unique(value_AR, axis=0)
    arms, replicates = distinct_AR.shape
    mean_R = distinct_AR.mean(0)
    left_AR = distinct_AR - distinct_AR.mean(1, keepdims=True) - mean_R + mean_R.mean()
    degrees = (arms - 1) * (replicates - 1)
    within = float((left_AR**2).sum()) / degrees if degrees else 0.0
    return MeanSquares(arms, arms * float(mean_R.var(ddof=1)), replicates - 1, within, degrees)


def _seed_variance(value_AR: np.ndarray, contrast_A: np.ndarray) -> tuple[float, float]:
    """Variance of the contrast between replicates (R x V_S), pooled over arms, and its degrees of freedom."""
    squares = mean_squares(value_AR)
    _, same_A = np.unique(value_AR, axis=0, return_inverse=True)
    weight = np.bincount(same_A.reshape(-1), weights=contrast_A, minlength=squares.arms)
    common = float(weight.sum()) ** 2 / squares.arms
    parts = [
        (common * squares.between, squares.between_degrees),
        ((float((weight**2).sum()) - common) * squares.within, squares.within_degrees),
    ]
    variance = sum(part for part, _ in parts)
    unsure = sum(part**2 / degrees for part, degrees in parts if degrees)
    return variance, variance**2 / unsure if unsure else float(squares.between_degrees)
