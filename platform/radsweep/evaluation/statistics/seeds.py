"""The variance between seeds (subset of studies and start) of a contrast of arms, and how well it is known.

Replicates are blocks: replicate r has the same subset and start in every arm. If all arms vary alike between seeds and
any two correlate alike (compound symmetry), a contrast's variance weighs two mean squares, pooled over arms: with 3
seeds and 12 arms it has 22 degrees of freedom instead of 2. An arm whose seeds vary far more than those of the others
would be covered in 75 % instead of 95. So arms are first compared by their spread (`uneven_arms`), and a contrast that
contains an arm of uneven spread is judged by its own variance over replicates, with R - 1 degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from scipy import special

from radsweep.evaluation.statistics.estimates import Estimates

UNEVEN_LEVEL = 0.1  # of the test for an uneven arm: a missed one costs coverage, a false alarm only width
_NO_WEIGHT = 1e-12
FEWEST_ARMS = 3  # of two arms, none can be said to be the uneven one


@dataclass(frozen=True)
class VariancePart:
    """A part of the variance of a mean, and the degrees of freedom of its estimate."""

    variance: float
    degrees: float


def seed_parts(estimates: Estimates, contrast_A: np.ndarray) -> tuple[VariancePart, ...]:
    """The parts of the variance between seeds of a contrast's mean over replicates; none with a single replicate."""
    replicates = estimates.replicates
    if replicates == 1 or not contrast_A.any():
        return ()
    arms = _distinct(estimates)
    weight_D = np.bincount(arms.number_A, weights=contrast_A, minlength=len(arms.value_DR))
    even_D = ~arms.uneven_D
    if weight_D[~even_D].any():
        own = float((weight_D @ arms.value_DR).var(ddof=1))
        return (VariancePart(own / replicates, replicates - 1),)
    even_DR = arms.value_DR[even_D]
    between, within = mean_squares(even_DR)
    if estimates.partial_AR is not None and not contrast_A.sum():
        within = within_of_partial(np.concatenate([even_DR, _even_partial(estimates.partial_AR, even_DR)]))
    common = float(weight_D.sum()) ** 2 / len(even_DR)
    apart = float((weight_D**2).sum()) - common
    weighed = ((common, between), (apart, within))  # a variance of 0 is a part as well: replicates may agree by chance
    return tuple(
        VariancePart(weight * part.variance / replicates, part.degrees)
        for weight, part in weighed
        if weight > _NO_WEIGHT and part.degrees > 0
    )


def mean_squares(value_AR: np.ndarray) -> tuple[VariancePart, VariancePart]:
    """Mean squares between replicates and within them: two-way analysis of variance without replication."""
    arms, replicates = value_AR.shape
    mean_R = value_AR.mean(0)
    left_AR = _residuals(value_AR)
    degrees = (arms - 1) * (replicates - 1)
    within = float((left_AR**2).sum()) / degrees if degrees else 0.0
    return VariancePart(arms * float(mean_R.var(ddof=1)), replicates - 1), VariancePart(within, degrees)


def within_of_partial(value_AR: np.ndarray) -> VariancePart:
    """The mean square within replicates if some arms lack some replicates (NaN): the residuals of arm + replicate."""
    arms, replicates = value_AR.shape
    arm, replicate = np.nonzero(np.isfinite(value_AR))
    design = np.hstack([np.eye(arms)[arm], np.eye(replicates)[replicate][:, 1:]])
    value = value_AR[arm, replicate]
    left = value - design @ np.linalg.lstsq(design, value, rcond=None)[0]
    degrees = len(arm) - arms - replicates + 1
    return VariancePart(float(left @ left) / degrees if degrees > 0 else 0.0, degrees)


def _even_partial(partial_AR: np.ndarray, distinct_AR: np.ndarray) -> np.ndarray:
    """Arms with some of the replicates, less those whose spread over these stands out from that of the others."""
    kept = []
    for value_R in partial_AR:
        there_R = np.isfinite(value_R)
        beside_AR = np.concatenate([distinct_AR[:, there_R], value_R[None, there_R]])
        if there_R.sum() > 1 and not uneven_arms(beside_AR)[-1]:
            kept.append(value_R)
    return np.array(kept).reshape(-1, distinct_AR.shape[1])


def uneven_arms(value_AR: np.ndarray) -> np.ndarray:
    """Arms whose spread over replicates stands out from that of the others: [A], True if it does.

    Cochran's test (1941, Annals of Eugenics 11:47-52) of the largest share in the arms' sums of squared residuals, one
    arm after another while it finds one.
    """
    found_A = np.zeros(len(value_AR), dtype=bool)
    while (left := np.flatnonzero(~found_A)).size >= FEWEST_ARMS:
        share_A = _shares(value_AR[left])
        if not share_A.max() > critical_share(len(left), value_AR.shape[1]):
            break
        found_A[left[share_A.argmax()]] = True
    return found_A


def critical_share(arms: int, replicates: int, level: float = UNEVEN_LEVEL) -> float:
    """The largest share of an arm that at most `level` of designs exceed whose arms vary alike.

    Cochran's bound with the residuals of a two-way table: an arm's share is (1 - 1/arms) times a beta variable. The
    level is exact where the result is 1/2 or more, since two arms cannot both exceed it.
    """
    free = (replicates - 1) / 2
    return float((1 - 1 / arms) * special.betaincinv(free, (arms - 2) * free, 1 - level / arms))


@dataclass(frozen=True)
class _Distinct:
    """An arm under two names is one arm. Shapes: A arms, D distinct arms, R replicates."""

    number_A: np.ndarray
    value_DR: np.ndarray
    uneven_D: np.ndarray


def _distinct(estimates: Estimates) -> _Distinct:
    if estimates not in _FOUND:
        value_DR, number_A = np.unique(estimates.value_AR, axis=0, return_inverse=True)
        _FOUND[estimates] = _Distinct(number_A.reshape(-1), value_DR, uneven_arms(value_DR))
    return _FOUND[estimates]


_FOUND: WeakKeyDictionary[Estimates, _Distinct] = WeakKeyDictionary()  # every comparison of a size asks for it


def _residuals(value_AR: np.ndarray) -> np.ndarray:
    mean_A1, mean_1R = value_AR.mean(-1, keepdims=True), value_AR.mean(-2, keepdims=True)
    left_AR: np.ndarray = value_AR - mean_A1 - mean_1R + mean_1R.mean(-1, keepdims=True)
    return left_AR


def _shares(value_AR: np.ndarray) -> np.ndarray:
    squares_A = (_residuals(value_AR) ** 2).sum(-1)
    total = squares_A.sum(-1, keepdims=True)
    share_A: np.ndarray = np.divide(squares_A, total, out=np.zeros_like(squares_A), where=total > 0)
    return share_A
