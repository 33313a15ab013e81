"""Splits by patient: given by the source, or made by seed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow
    from radsweep.data.shards.schema import Split

_NAMES: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("validation", "valid", "validate", "val", "dev", "development", "tuning"), "validation"),
    **dict.fromkeys(("test", "testing", "holdout", "held-out"), "test"),
}


def split_of_name(text: str) -> Split | None:
    """Return the split that a source's word means ("valid", "Training", ...), or None."""
    return _NAMES.get(text.strip().casefold())


def make_splits(patients: Iterable[str], fractions: Sequence[float], seed: int) -> dict[str, Split]:
    """Assign patients to train, validation and test in the order of a seeded hash, whatever order they are given in.

    fractions: three shares that sum to 1. The counts are exact (largest remainder). If there are enough patients,
    each share above 0 gets at least one.
    """
    from radsweep.data.shards.schema import SPLITS

    ordered = sorted(set(patients), key=lambda patient: hashlib.sha256(f"{seed}\0{patient}".encode()).digest())
    counts = _counts(len(ordered), fractions)
    names = [split for split, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    return dict(zip(ordered, names, strict=True))


def set_validation_aside(patients: Iterable[str], fractions: Sequence[float], seed: int) -> dict[str, Split]:
    """Assign patients to train and validation in the proportion of `fractions`, if a source only gives a test split.

    fractions: as for `make_splits`; the share of test is not used.

    Raises:
        InputError: the shares of train and validation are both 0.
    """
    train, validation, _ = fractions
    if not train + validation:
        raise InputError(
            "--split-fractions: the source gives the test split; expected a share above 0 for train or validation"
        )
    share = validation / (train + validation)
    return make_splits(patients, (1 - share, share, 0), seed)


def majority(splits: Sequence[Split]) -> Split:
    """Return the split named most often; in a tie the first of them."""
    return Counter(splits).most_common(1)[0][0]


def conflicts(splits: Mapping[str, Sequence[Split]]) -> list[str]:
    """Return patients whose studies are in more than one split."""
    return [patient for patient, named in splits.items() if len(set(named)) > 1]


def _counts(total: int, fractions: Sequence[float]) -> list[int]:
    exact = [total * fraction for fraction in fractions]
    counts = [int(share + 1e-9) for share in exact]
    by_remainder = sorted(range(len(counts)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    wanted = [i for i, fraction in enumerate(fractions) if fraction > 0]
    for i in wanted:
        if counts[i] == 0 and total >= len(wanted):
            counts[counts.index(max(counts))] -= 1
            counts[i] = 1
    return counts
