"""Cross-validation by patient: every pair is tested once, never by a model trained on its patient."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.loading.folds import assign_folds, fold_of, resplit
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import Image, Split, Study
from radsweep.data.text.tokenizer import train_tokenizer
from radsweep.errors import InputError

FOLDS = 4
SHADES = 6


def png(shade: int) -> bytes:
    pixels = np.full((16, 16), shade, dtype=np.uint8)
    pixels[0, 0] = 255 - shade
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def studies() -> list[Study]:
    """30 patients in three packed splits, with 1 to 3 studies of 1 or 2 images; 12 also have unpaired studies."""
    found = []
    for patient in range(30):
        split: Split = "train" if patient < 20 else "validation" if patient < 25 else "test"
        for number in range(1 + patient % 3):
            shade = (patient * 7 + number) % 200
            images = tuple(Image(f"{side}", png(shade + side)) for side in range(1 + (patient + number) % 2))
            report = f"Word{patient % SHADES} seen. No change. Study of patient word{patient % SHADES}."
            found.append(Study(f"s{number}", f"p{patient}", split, report, images))
    for patient in range(12):
        found.append(Study("image", f"p{patient}", "train", None, (Image("0", png(100 + patient)),)))
        found.append(Study("report", f"p{patient}", "train", f"Unpaired of {patient}.", ()))
    return found


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds") / "data"
    write_dataset(folder, studies(), name="made-up", source={}, key=b"k" * 32, rows_per_shard=7)
    return folder


def test_every_pair_is_tested_once_and_no_patient_is_in_two_splits_of_a_fold(packed: Path) -> None:
    index = read_index(packed)
    everything = sorted(study for split in index.splits.values() for study in split.study_ids)
    tested: list[str] = []
    validated: list[str] = []
    for number in range(FOLDS):
        fold = fold_of(index, FOLDS, number)
        assert sorted(study for split in fold.splits.values() for study in split.study_ids) == everything
        patients = [set(split.patient_ids) for split in fold.splits.values()]
        assert sum(map(len, patients)) == len(set.union(*patients))
        tested += fold.splits["test"].study_ids
        validated += fold.splits["validation"].study_ids
        following = fold_of(index, FOLDS, (number + 1) % FOLDS)
        assert fold.splits["validation"].study_ids == following.splits["test"].study_ids
    assert sorted(tested) == sorted(validated) == everything


def test_a_fold_keeps_each_studys_report_images_and_patient_in_the_order_of_ids(packed: Path) -> None:
    index = read_index(packed)
    expected = {
        study: (patient, report, images)
        for name, split in index.splits.items()
        for study, patient, report, images in zip(
            split.study_ids, split.patient_ids, index.reports[name], np.diff(split.first_image_S1), strict=True
        )
    }
    fold = fold_of(index, FOLDS, 2)
    for name, split in fold.splits.items():
        assert list(split.study_ids) == sorted(split.study_ids)
        found = zip(split.patient_ids, fold.reports[name], np.diff(split.first_image_S1), strict=True)
        assert list(found) == [expected[study] for study in split.study_ids]
        texts = fold.reports[name]
        same = [[texts[a] == texts[b] for b in range(len(texts))] for a in range(len(texts))]
        assert (split.report_group_S[:, None] == split.report_group_S).tolist() == same


def test_folds_are_balanced_in_studies() -> None:
    generator = np.random.default_rng(0)
    patients = [f"p{patient}" for patient in range(100) for _ in range(int(generator.integers(1, 6)))]
    fold_of_patient = assign_folds(patients, 7)
    sizes = Counter(fold_of_patient[patient] for patient in patients)
    assert len(sizes) == 7
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_folds_do_not_depend_on_order_or_sharding(packed: Path, tmp_path: Path) -> None:
    index = read_index(packed)
    other = tmp_path / "other"
    shuffled = [studies()[row] for row in np.random.default_rng(1).permutation(len(studies()))]
    write_dataset(other, shuffled, name="made-up", source={}, key=b"k" * 32, rows_per_shard=500)
    again = read_index(other)
    for number in range(FOLDS):
        ours, theirs = fold_of(index, FOLDS, number), fold_of(again, FOLDS, number)
        assert {name: split.study_ids for name, split in ours.splits.items()} == {
            name: split.study_ids for name, split in theirs.splits.items()
        }
    patients = [patient for split in index.splits.values() for patient in split.patient_ids]
    assert assign_folds(patients, FOLDS) == assign_folds(patients[::-1], FOLDS)


def test_unpaired_studies_of_held_out_patients_are_left_out(packed: Path) -> None:
    index = read_index(packed)
    for kind in ("images", "reports"):
        every, _ = index.unpaired(kind)  # type: ignore[arg-type]
        left_out = 0
        for number in range(FOLDS):
            fold = fold_of(index, FOLDS, number)
            pool, texts = fold.unpaired(kind)  # type: ignore[arg-type]
            held_out = {*fold.splits["test"].patient_ids, *fold.splits["validation"].patient_ids}
            assert len(pool) == len(texts)
            assert set(pool.patient_ids) == set(every.patient_ids) - held_out
            left_out += len(every) - len(pool)
        assert left_out == 2 * 12  # each of these 12 patients once for test and once for validation


def test_a_fold_that_would_be_empty_is_refused(tmp_path: Path) -> None:
    few = [study for study in studies() if study.patient_id in ("p0", "p20", "p21")]
    write_dataset(tmp_path / "few", few, name="few", source={})
    with pytest.raises(InputError, match=r"with 5 folds, the .* split .*3 patients\)\. Lower data\.folds"):
        fold_of(read_index(tmp_path / "few", ()), 5, 4)


def test_packed_splits_may_be_empty_if_folds_are_made(tmp_path: Path) -> None:
    train = [study for study in studies() if study.split == "train"]
    write_dataset(tmp_path / "train", train, name="train", source={})
    with pytest.raises(InputError, match="the validation split has 0 pairs"):
        read_index(tmp_path / "train")
    index = read_index(tmp_path / "train", ())
    fold = fold_of(index, FOLDS, 0)
    assert min(map(len, fold.splits.values())) >= 2
    prepared = prepare_in_process(index, trained(index.reports["train"]), 16, 1)
    assert same_pixels(resplit(prepared, fold, prepared.tokenizer), index_pixels(prepared))


def test_resplit_images_and_tokens_equal_those_of_decoding_each_fold_separately(packed: Path) -> None:
    index = read_index(packed)
    unpaired = ("images", "reports")
    whole = prepare_in_process(index, trained(index.reports["train"]), 16, 1, unpaired)  # type: ignore[arg-type]
    for number in range(FOLDS):
        fold = fold_of(index, FOLDS, number)
        tokenizer = trained(fold.reports["train"])
        ours = resplit(whole, fold, tokenizer)
        alone = prepare_in_process(fold, tokenizer, 16, 1, unpaired)  # type: ignore[arg-type]
        assert ours.decoded == 0
        assert (ours.tokenizer, ours.fingerprint) == (alone.tokenizer, alone.fingerprint)
        for mine, theirs in (
            *((ours.splits[name], alone.splits[name]) for name in alone.splits),
            *((ours.unpaired[kind], alone.unpaired[kind]) for kind in alone.unpaired),
        ):
            assert mine.index.study_ids == theirs.index.study_ids
            every = np.arange(mine.index.images)
            if len(every):
                np.testing.assert_array_equal(mine.pixels(every), theirs.pixels(every))
            for a, b in zip(mine.reports, theirs.reports, strict=True):
                np.testing.assert_array_equal(a, b)


def trained(reports: list[str]) -> str:
    return train_tokenizer([(str(number), report) for number, report in enumerate(reports)], 200)


def index_pixels(prepared: PreparedData) -> dict[str, np.ndarray]:
    return {
        study: split.pixels(np.arange(split.index.first_image_S1[row], split.index.first_image_S1[row + 1]))
        for split in prepared.splits.values()
        for row, study in enumerate(split.index.study_ids)
    }


def same_pixels(prepared: PreparedData, expected: dict[str, np.ndarray]) -> bool:
    found = index_pixels(prepared)
    return found.keys() == expected.keys() and all(np.array_equal(found[study], expected[study]) for study in found)
