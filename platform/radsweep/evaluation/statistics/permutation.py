"""Sign-flip permutation test of paired differences, patient by patient.

It asks whether these trained models differ on patients like these. That is not whether the technique helps: two arms of
one technique differ by their seeds, and with many patients the test finds that. `Difference.p` counts seeds too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

FLIPS = 9_999
MOST_EXACT = 13  # patients whose 2^n flips are all counted
CELLS_AT_A_TIME = 2**22


@dataclass(frozen=True)
class SignFlipTest:
    """A mean paired difference of these trained models and its two-sided p: seeds are not drawn again."""

    estimate: float
    p: float
    flips: int
    exact: bool  # all flips were counted
    seeds: int
    patients: int
    queries: int


def sign_flip_test(
    first_RQ: np.ndarray, second_RQ: np.ndarray, patients_Q: Any, *, flips: int = FLIPS, seed: int = 0
) -> SignFlipTest:
    """Sign-flip test of per-query values (reciprocal ranks) averaged over replicates; a patient's signs flip together.

    The null hypothesis: which of the two arms a patient's results came from makes no difference. p counts the observed
    flip among the drawn ones (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39).

    Args:
        first_RQ: [replicates, queries]; `second_RQ` the same queries in the same order.

    Raises:
        ValueError: sizes that do not fit, or values that are not finite.
    """
    first_RQ, second_RQ = np.asarray(first_RQ, np.float64), np.asarray(second_RQ, np.float64)
    names, patient_Q = np.unique(np.asarray(patients_Q), return_inverse=True)
    if first_RQ.shape != second_RQ.shape or first_RQ.ndim != 2 or first_RQ.shape[1] != len(patient_Q):
        raise ValueError(f"sizes do not fit: {first_RQ.shape}, {second_RQ.shape}, {len(patient_Q)} patients of queries")
    difference_Q = (first_RQ - second_RQ).mean(0)
    if not np.isfinite(difference_Q).all():
        raise ValueError("values that are not finite (NaN or infinity)")
    sum_P = np.bincount(patient_Q.reshape(-1), weights=difference_Q)
    moving_P = sum_P[sum_P != 0]  # a flip of 0 changes nothing
    exact = len(moving_P) <= MOST_EXACT
    observed = abs(moving_P.sum()) - 1e-12 * np.abs(moving_P).sum()  # rounding depends on the order of a sum
    rows = _all_flips(len(moving_P)) if exact else _drawn_flips(len(moving_P), flips, seed)
    as_far, counted = 0, 0
    for sign_BP in rows:
        as_far += int((np.abs(sign_BP @ moving_P) >= observed).sum())
        counted += len(sign_BP)
    p = as_far / counted if exact else (as_far + 1) / (counted + 1)
    return SignFlipTest(float(difference_Q.mean()), p, counted, exact, len(first_RQ), len(names), len(patient_Q))


def _all_flips(patients: int) -> Iterator[np.ndarray]:
    number = np.arange(2**patients)[:, None]
    yield 1.0 - 2.0 * (number >> np.arange(patients) & 1)


def _drawn_flips(patients: int, flips: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = max(1, CELLS_AT_A_TIME // patients)
    for start in range(0, flips, rows):
        yield rng.integers(0, 2, size=(min(rows, flips - start), patients)) * 2.0 - 1.0
