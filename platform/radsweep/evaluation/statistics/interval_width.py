"""The variance of a contrast of arms, averaged over replicates: how it varies between patients and between seeds.

theta_ar is the metric of arm a in replicate r, c the contrast, R the number of replicates, D_r = sum_a c_a theta_ar.

    estimate = mean_r D_r
    V_S  seeds: variance of D_r over replicates / R. It contains V_I, the part in which replicates disagree about
         patients.
    V_P  patients: covariance over patients of two replicates' D_r, which replicates do not average out.
    half-width at alpha = sqrt(max(t(nu_S)^2 V_S, t(nu_P)^2 V_I) + t(nu_P)^2 V_P), t at 1 - alpha/2

V_S is known from few replicates, V_I from all patients: V_S that comes out below V_I by chance does not count.

Each part keeps its own quantile of Student's t. One quantile for the sum, with degrees of freedom after Satterthwaite,
is the usual choice (Obuchowski and Rockette 1995, Commun. Stat. Simul. 24:285-308; Hillis 2007, Stat. Med. 26:596-619),
but its estimated degrees of freedom can fall below 1, where intervals have no bounds, or come out too high where seeds
dominate. The sum of separate parts has neither fault; it is somewhat wider where both parts are large.

nu_P is the effective number n of patients less 1. If nothing varies, a patient who differs may still exist: the
half-width is then the range of the contrast times 1 - (alpha/2)^(1/n), after Clopper and Pearson (1934).

The target is the mean over subsets of the same size of these training studies, over starts, and over patients like
those of the test split; the candidates among which a query is searched are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.seeds import VariancePart, seed_parts

LEAST_P = 1e-12  # smaller ones are given as this
ROUNDING = 1e-12  # of a metric's range: the mean of equal values is off by as little


@dataclass(frozen=True)
class Components:
    """An estimate, and the parts of its variance. Without replicates, `seeds` is empty."""

    estimate: float
    patients: VariancePart  # V_P
    seeds: tuple[VariancePart, ...]  # V_S, in parts with degrees of freedom of their own
    disagreement: float = 0.0  # V_I, contained in V_S
    span: float = 1.0  # width of the contrast's range, on one side of 0

    @property
    def seed_variance(self) -> float:
        return sum(part.variance for part in self.seeds)

    @property
    def variance(self) -> float:
        return self.patients.variance + max(self.seed_variance, self.disagreement)

    @property
    def seed_degrees(self) -> float:
        """The fewest degrees of freedom of a part; infinite without one."""
        return min((part.degrees for part in self.seeds), default=float("inf"))

    def half_width(self, alpha: float) -> float:
        """Half the width of the interval that fails in `alpha` of cases."""
        if self.variance <= (ROUNDING * self.span) ** 2:
            unseen: float = self.span * (1 - (alpha / 2) ** (1 / (self.patients.degrees + 1)))
            return unseen
        of_patients = _square_t(self.patients.degrees, alpha)
        of_seeds = sum(_square_t(part.degrees, alpha) * part.variance for part in self.seeds)
        width: float = (of_patients * self.patients.variance + max(of_seeds, of_patients * self.disagreement)) ** 0.5
        return width

    def patient_half_width(self, alpha: float) -> float:
        """Half the width that any number of replicates would leave."""
        return (_square_t(self.patients.degrees, alpha) * self.patients.variance) ** 0.5

    def p_value(self) -> float:
        """The alpha at which the interval ends at 0, two-sided: from `LEAST_P` to 1."""
        found = abs(self.estimate)
        if found <= self.half_width(1.0):
            return 1.0
        if found >= self.half_width(LEAST_P):
            return LEAST_P
        # Half-widths fall with alpha
        log_p = optimize.brentq(lambda log_alpha: self.half_width(np.exp(log_alpha)) - found, np.log(LEAST_P), 0.0)
        return float(np.exp(log_p))


def _square_t(degrees: float, alpha: float) -> float:
    """The square of Student's t at 1 - alpha/2."""
    return float(special.stdtrit(degrees, alpha / 2)) ** 2


def components(estimates: Estimates, contrast_A: np.ndarray) -> Components:
    """Estimate and variance of a contrast; with one replicate the variance is only that of patients."""
    influence_PR = np.tensordot(estimates.influence_PAR, contrast_A, (1, 0))
    patients, disagreement = patient_variance(influence_PR)
    return Components(
        float((contrast_A @ estimates.value_AR).mean()),
        VariancePart(patients, max(estimates.patient_degrees, 1.0)),
        seed_parts(estimates, contrast_A),
        disagreement,
        estimates.span * float(max(contrast_A[contrast_A > 0].sum(), -contrast_A[contrast_A < 0].sum())),
    )


def difference_of_sizes(first: Estimates, arm: str, second: Estimates, against: str) -> Components:
    """One arm less another, each at its size: seeds of two sizes are independent, patients are the same."""
    if first is second:
        return components(first, first.weights({arm: 1.0, against: -1.0}))
    parts = [components(first, first.weights({arm: 1.0})), components(second, second.weights({against: 1.0}))]
    mean_P = first.influence_PAR[:, first.arms.index(arm)].mean(1) - second.influence_PAR[
        :, second.arms.index(against)
    ].mean(1)
    disagreement = sum(part.disagreement for part in parts)
    patients = max(float((mean_P**2).sum()) - disagreement, 0.0)
    degrees = max(min(first.patient_degrees, second.patient_degrees), 1.0)
    return Components(
        parts[0].estimate - parts[1].estimate,
        VariancePart(patients, degrees),
        (*parts[0].seeds, *parts[1].seeds),
        disagreement,
        first.span,
    )


def patient_variance(influence_PR: np.ndarray) -> tuple[float, float]:
    """V_P, the part that replicates share, and V_I, their disagreement, which replicates average out."""
    replicates = influence_PR.shape[1]
    of_one = float((influence_PR**2).sum() / replicates)
    if replicates == 1:
        return of_one, 0.0
    of_all = float((influence_PR.sum(1) ** 2).sum())
    shared = max((of_all - replicates * of_one) / (replicates * (replicates - 1)), 0.0)
    return shared, max(of_one - shared, 0.0) / replicates
