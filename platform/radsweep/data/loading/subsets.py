"""Training studies that a trial uses: nested, by patient, seeded, exact."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def seeded_order(study_ids: Sequence[str], patient_ids: Sequence[str], seed: int) -> list[int]:
    """Row numbers of all studies, patient by patient, in an order that depends only on the seed and the ids.

    Every subset is a prefix of it, so a smaller subset is part of every larger one.
    """

    def place(row: int) -> tuple[bytes, bytes]:
        return _hash(seed, patient_ids[row]), _hash(seed, study_ids[row])

    return sorted(range(len(study_ids)), key=place)


def subset_size(available: int, pairs: int | None, fraction: float | None) -> int:
    """Number of studies that `data.pairs` or `data.fraction` selects from `available` training studies.

    Raises:
        ValueError: more studies are asked for than there are.
    """
    return _size("training", available, pairs, None if fraction is None else fraction * available)


def validation_size(available: int, trained: int, pairs: int | None, ratio: float | None) -> int:
    """Number of studies that `data.validation_pairs` or `data.validation_ratio` selects from `available` ones.

    Args:
        trained: training studies that the trial uses.

    Raises:
        ValueError: more studies are asked for than there are.
    """
    return _size("validation", available, pairs, None if ratio is None else ratio * trained)


def _size(split: str, available: int, pairs: int | None, part: float | None) -> int:
    """Studies of a split: exactly `pairs`, or about `part` but not fewer than two, or all."""
    if pairs is not None:
        if pairs > available:
            raise ValueError(f"{pairs} {split} studies were asked for, but the data set has {available}")
        return pairs
    return available if part is None else min(available, max(2, round(part)))


def subset_fingerprint(study_ids: Sequence[str]) -> str:
    """Return the SHA-256 of the sorted ids: equal subsets have equal fingerprints in any order."""
    return hashlib.sha256("\n".join(sorted(study_ids)).encode()).hexdigest()


def _hash(seed: int, identifier: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{identifier}".encode()).digest()
