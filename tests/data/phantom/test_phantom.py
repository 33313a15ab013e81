from __future__ import annotations

import io
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from radsweep.data.phantom import (
    DIFFICULTIES,
    PhantomSettings,
    PhantomStudy,
    difficulty_named,
    from_name,
    generate,
    oracle_retrieval,
    write_phantom,
)
from radsweep.data.phantom.findings import DEVICES, FINDINGS, SIDED, SIDES
from radsweep.errors import InputError

NONE = {"unpaired_images": 0, "unpaired_reports": 0, "validation": 0, "test": 0}


def pixels(study: PhantomStudy, view: str = "frontal") -> np.ndarray:
    data = next(image.data for image in study.images if image.view == view)
    return np.array(PIL.Image.open(io.BytesIO(data)))


def recall_at_10(scores: np.ndarray) -> float:
    """Return text-to-image recall with ties in the middle, by sorting, unlike the package."""
    found = []
    for query, row in enumerate(scores):
        above, equal = int((row > row[query]).sum()), int((row == row[query]).sum())
        found.append(1 + above + (equal - 1) / 2 <= 10)
    return float(np.mean(found))


@pytest.fixture(scope="module")
def studies() -> list[PhantomStudy]:
    return list(generate("standard", pairs=1500, seed=3, **NONE))


def test_the_first_pairs_do_not_depend_on_their_number_nor_on_the_other_streams() -> None:
    few = list(generate("standard", pairs=30, seed=5, **NONE))
    many = generate("standard", pairs=200, seed=5, validation=9, test=9, unpaired_images=9, unpaired_reports=9)
    assert few == [study for study, _ in zip(many, few, strict=False)]


def test_seed_and_difficulty_change_every_image_and_most_reports() -> None:
    one, other, plain = (
        list(generate(name, pairs=60, seed=seed, **NONE))
        for name, seed in (("standard", 0), ("standard", 1), ("plain", 0))
    )
    for changed in (other, plain):
        assert all(not np.array_equal(pixels(a), pixels(b)) for a, b in zip(one, changed, strict=True))
        assert np.mean([a.report == b.report for a, b in zip(one, changed, strict=True)]) < 0.1


def test_the_same_study_at_another_size_has_the_same_findings_and_report() -> None:
    small = list(generate("standard", pairs=12, seed=0, size=64, **NONE))
    for size in (96, 128, 224):
        large = list(generate("standard", pairs=12, seed=0, size=size, **NONE))
        for a, b in zip(small, large, strict=True):
            assert (a.findings, a.report) == (b.findings, b.report)
            assert pixels(b).shape == (size, size)
            shrunk = np.array(PIL.Image.fromarray(pixels(b)).resize((64, 64), PIL.Image.Resampling.BOX))
            assert np.corrcoef(shrunk.ravel(), pixels(a).ravel())[0, 1] > 0.9


def test_counts_splits_and_kinds_are_as_requested_and_patients_never_cross() -> None:
    made = list(generate("plain", pairs=70, seed=0, validation=40, test=30, unpaired_images=50, unpaired_reports=60))
    counts = Counter((study.kind, study.split) for study in made)
    assert counts == {
        ("pairs", "train"): 70,
        ("pairs", "validation"): 40,
        ("pairs", "test"): 30,
        ("images", "train"): 50,
        ("reports", "train"): 60,
    }
    patients = {group: {s.patient_id for s in made if (s.kind, s.split) == group} for group in counts}
    assert len(set().union(*patients.values())) == sum(len(group) for group in patients.values())
    assert len({study.study_id for study in made}) == len(made)
    assert len({image.image_id for study in made for image in study.images}) == sum(len(s.images) for s in made)


def test_patients_have_several_consecutive_studies_and_studies_one_or_two_views(
    studies: list[PhantomStudy],
) -> None:
    several = Counter(study.patient_id for study in studies)
    assert 1.4 < len(studies) / len(several) < 2.1
    changes = sum(a.patient_id != b.patient_id for a, b in pairwise(studies))
    assert changes == len(several) - 1
    views = Counter(tuple(image.view for image in study.images) for study in studies)
    assert set(views) == {("frontal",), ("frontal", "lateral")}
    assert 0.18 < views["frontal", "lateral"] / len(studies) < 0.32


def test_labels_agree_with_the_findings(studies: list[PhantomStudy]) -> None:
    for study in studies[:300]:
        kinds = Counter(finding.kind for finding in study.findings)
        assert {kind: study.labels[kind] for kind in (*FINDINGS, *DEVICES)} == {
            kind: float(kinds[kind] > 0) for kind in (*FINDINGS, *DEVICES)
        }
        for kind in SIDED:
            sides = [study.labels[f"{kind}.{side}"] for side in SIDES]
            assert sum(value or 0 for value in sides) == kinds[kind]
        assert len({(finding.kind, finding.side) for finding in study.findings}) == len(study.findings)


def test_the_number_of_findings_has_the_distribution_of_the_difficulty(studies: list[PhantomStudy]) -> None:
    counted = Counter(sum(finding.kind in FINDINGS for finding in study.findings) for study in studies)
    for number, expected in enumerate(DIFFICULTIES["standard"].finding_counts):
        assert counted[number] / len(studies) == pytest.approx(expected, abs=0.04)


def test_progress_adds_up_to_the_number_of_studies() -> None:
    seen: list[int] = []
    made = list(generate("plain", pairs=150, seed=0, **(NONE | {"unpaired_reports": 33}), progress=seen.append))
    assert sum(seen) == len(made) == 183


def test_studies_come_lazily() -> None:
    seen: list[int] = []
    endless = generate("standard", pairs=10**9, seed=0, **NONE, progress=seen.append)
    assert next(endless).study_id == "phantom-p000000"
    assert sum(seen) < 1000


def test_the_oracle_is_far_above_chance_and_below_one() -> None:
    for name in DIFFICULTIES:
        pool = list(generate(name, pairs=0, seed=0, **(NONE | {"validation": 400})))
        scores = oracle_retrieval(pool, difficulty_named(name))
        assert 0.85 < recall_at_10(scores) < 0.97
        shuffled = np.random.default_rng(0).permutation(len(pool))
        assert recall_at_10(scores[:, shuffled]) < 0.06  # chance is 0.025


def test_a_packed_phantom_has_the_requested_counts_and_a_reproducible_fingerprint(tmp_path: Path) -> None:
    sizes = {"pairs": 40, "validation": 8, "test": 8, "unpaired_images": 6, "unpaired_reports": 5}
    one = write_phantom(tmp_path / "one", difficulty="plain", **sizes)
    again = write_phantom(tmp_path / "again", difficulty="plain", **sizes)
    other = write_phantom(tmp_path / "other", difficulty="plain", seed=1, **sizes)
    assert one.studies["pairs"] == {"train": 40, "validation": 8, "test": 8}
    assert (one.studies["images"]["train"], one.studies["reports"]["train"]) == (6, 5)
    assert one.source["difficulty"] == "plain"
    assert one.fingerprint == again.fingerprint != other.fingerprint


def test_a_name_is_a_difficulty_and_optionally_a_number_of_pairs() -> None:
    assert from_name("standard") == PhantomSettings("standard", 3000)
    assert from_name("plain-300") == PhantomSettings("plain", 300)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("standart", "Did you mean 'standard'"),
        ("hard", "known: standard, plain"),
        ("plain-", "number of training pairs"),
        ("plain-0", "number of training pairs"),
        ("plain-3x", "number of training pairs"),
        ("", "known: standard, plain"),
    ],
)
def test_a_wrong_name_is_reported_with_the_right_ones(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        from_name(name)


@pytest.mark.parametrize("wrong", [{"pairs": -1}, {"seed": -1}, {"size": 8}, {"test": -2}])
def test_numbers_out_of_range_are_refused_before_anything_is_made(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="0 or more"):
        generate("plain", **({"pairs": 1, "seed": 0} | NONE | wrong))
