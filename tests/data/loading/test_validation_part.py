"""The part of the validation split that selects: nested, by patient, seeded, exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from radsweep.config.data import Data
from radsweep.data.loading.validation_part import validation_rows
from support.synthetic import synthetic_data

DATA = synthetic_data(train=40, held_out=24)
TRAIN, VALIDATION = (DATA.splits[name].index for name in ("train", "validation"))


def rows(**settings: object) -> list[int]:
    return validation_rows(Data(shards="x", **settings), TRAIN, VALIDATION).tolist()  # type: ignore[arg-type]


def test_without_a_limit_all_studies_select() -> None:
    assert rows() == list(range(24))


def test_a_number_is_exact_and_smaller_parts_are_within_larger_ones() -> None:
    parts = [rows(validation_pairs=size, seed=3) for size in (2, 5, 11, 24)]
    assert [len(part) for part in parts] == [2, 5, 11, 24]
    assert all(set(small) < set(large) for small, large in itertools.pairwise(parts))
    assert all(part == sorted(part) for part in parts)
    assert rows(validation_pairs=11, seed=3) == parts[2]
    assert rows(validation_pairs=11, seed=4) != parts[2]


def test_studies_are_taken_patient_by_patient() -> None:
    for size in range(2, 24):
        patients = [VALIDATION.patient_ids[row] for row in rows(validation_pairs=size)]
        split = [patient for patient in set(patients) if patients.count(patient) == 1]  # each patient has two studies
        assert len(split) == size % 2


def test_a_ratio_is_of_the_pairs_trained_on_and_no_more_than_there_are() -> None:
    sizes = {(pairs, ratio): len(rows(pairs=pairs, validation_ratio=ratio)) for pairs, ratio in
             ((10, 1), (10, 0.5), (20, 0.5), (4, 0.1), (40, 2))}  # fmt: skip
    assert sizes == {(10, 1): 10, (10, 0.5): 5, (20, 0.5): 10, (4, 0.1): 2, (40, 2): 24}
    assert len(rows(fraction=0.25, validation_ratio=1)) == 10
    assert rows(pairs=10, validation_ratio=1) == rows(validation_pairs=10)


def test_more_than_there_are_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="25 validation studies were asked for, but the data set has 24"):
        rows(validation_pairs=25)
    with pytest.raises(ValueError, match="give one of them"):
        Data(shards="x", validation_pairs=5, validation_ratio=1)


def test_a_part_of_a_split_has_the_images_reports_and_labels_of_its_studies() -> None:
    split, chosen = DATA.splits["validation"], np.array([1, 4, 5, 20])
    part = split.take(chosen)
    assert part.index.study_ids == tuple(split.index.study_ids[row] for row in chosen)
    assert part.index.patient_ids == tuple(split.index.patient_ids[row] for row in chosen)
    np.testing.assert_array_equal(part.index.labels_SC, split.index.labels_SC[chosen])
    np.testing.assert_array_equal(part.index.report_group_S, split.index.report_group_S[chosen])
    images = np.flatnonzero(np.isin(split.index.image_study_M, chosen))
    np.testing.assert_array_equal(part.index.image_study_M, np.searchsorted(chosen, split.index.image_study_M[images]))
    np.testing.assert_array_equal(part.pixels(np.arange(part.index.images)), split.pixels(images))
    for place, row in enumerate(chosen):
        one, other = part.reports.take(np.array([place])), split.reports.take(np.array([row]))
        np.testing.assert_array_equal(one.tokens_T, other.tokens_T)
