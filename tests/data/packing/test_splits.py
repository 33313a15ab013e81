"""Splits are by patient, exact, and independent of the order."""

from __future__ import annotations

import random

import pytest

from radsweep.data.packing.splits import make_splits, split_of_name


def counts(total: int, fractions: tuple[float, float, float]) -> list[int]:
    splits = list(make_splits(map(str, range(total)), fractions, 0).values())
    return [splits.count(name) for name in ("train", "validation", "test")]


@pytest.mark.parametrize(
    ("total", "fractions", "expected"),
    [
        (100, (0.7, 0.15, 0.15), [70, 15, 15]),
        (10, (0.7, 0.15, 0.15), [7, 2, 1]),
        (3, (0.7, 0.15, 0.15), [1, 1, 1]),
        (4, (0.98, 0.01, 0.01), [2, 1, 1]),
        (2, (0.7, 0.15, 0.15), [2, 0, 0]),
        (5, (1, 0, 0), [5, 0, 0]),
        (1000, (0.1, 0.3, 0.6), [100, 300, 600]),
    ],
)
def test_counts_are_exact_and_no_split_is_empty_given_enough_patients(
    total: int, fractions: tuple[float, float, float], expected: list[int]
) -> None:
    assert counts(total, fractions) == expected


def test_order_and_repeats_do_not_matter_and_the_seed_does() -> None:
    patients = [f"p{i}" for i in range(200)]
    shuffled = random.Random(0).sample(patients * 2, 400)
    fractions = (0.5, 0.25, 0.25)
    assert make_splits(patients, fractions, 1) == make_splits(shuffled, fractions, 1)
    assert make_splits(patients, fractions, 1) != make_splits(patients, fractions, 2)


def test_the_words_that_sources_use_are_known() -> None:
    assert [split_of_name(word) for word in ("Training", " valid ", "VAL", "test", "fold1")] == [
        "train", "validation", "validation", "test", None,
    ]  # fmt: skip
