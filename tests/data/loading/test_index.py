"""Studies read from shards, with their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radsweep.data.loading.decode import read_index, read_labelled
from radsweep.data.loading.index import StudyRow, indexed, normalised
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import SPLITS, Image, Study
from radsweep.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"
LABELS: tuple[dict[str, float | None], ...] = ({"Edema": 1.0}, {"Edema": 0.0, "Nodule": None}, {}, {"Nodule": 1.0})


def studies(with_report: bool) -> list[Study]:
    return [
        Study(
            f"{with_report}-{split}-{number}",
            f"{split}-{number}",
            split,
            f"report {number}" if with_report else None,
            (Image("a", PNG + bytes([number])),),
            labels,
        )
        for split in SPLITS
        for number, labels in enumerate(LABELS)
    ]


def test_labels_are_in_the_row_of_their_study_with_any_sharding(tmp_path: Path) -> None:
    given = studies(with_report=True)
    write_dataset(tmp_path / "a", given, name="a", source={}, rows_per_shard=1, key=b"k")
    write_dataset(tmp_path / "b", reversed(given), name="b", source={}, rows_per_shard=100, key=b"k")
    one, other = read_index(tmp_path / "a"), read_index(tmp_path / "b")
    assert one.manifest.labels == ("Edema", "Nodule")
    for split in SPLITS:
        assert one.splits[split].study_ids == other.splits[split].study_ids
        np.testing.assert_array_equal(one.splits[split].labels_SC, other.splits[split].labels_SC)
    index, reports = one.splits["train"], one.reports["train"]
    known = {text: tuple(row) for text, row in zip(reports, np.nan_to_num(index.labels_SC, nan=-1), strict=True)}
    assert known == {"report 0": (1, -1), "report 1": (0, -1), "report 2": (-1, -1), "report 3": (-1, 1)}


def test_studies_without_a_report_count_in_evaluation_by_labels(tmp_path: Path) -> None:
    write_dataset(tmp_path / "a", studies(True) + studies(False), name="a", source={}, key=b"k")
    assert [len(read_index(tmp_path / "a").splits[split]) for split in SPLITS] == [4, 4, 4]
    found = read_labelled(tmp_path / "a")
    assert [len(found.splits[split]) for split in SPLITS] == [8, 8, 8]
    assert len(found.paths("test")) == 2
    assert sorted(np.nansum(found.splits["test"].labels_SC, axis=0)) == [2, 2]
    assert found.splits["test"].study_ids == tuple(sorted(found.splits["test"].study_ids))


def test_a_data_set_without_labels_is_refused_as_a_labelled_one(tmp_path: Path) -> None:
    plain = [Study("s", "p", "train", "report", (Image("a", PNG),))]
    write_dataset(tmp_path / "a", plain, name="a", source={}, key=b"k")
    with pytest.raises(InputError, match="has no labels"):
        read_labelled(tmp_path / "a")


SAME = [
    ("No effusion.  The heart is normal.", "NO EFFUSION. the heart is normal"),
    ("A nodule of 5 mm.", "A nodule of 5mm!"),
    ("Left-sided effusion, mild", "Left sided effusion: mild."),
    ("1. Caf\u00e9-au-lait spots.", "1. Cafe\u0301 au lait spots"),
    ("Mass of 4 x 5 cm.", "Mass of 4x5 cm."),
]
OTHER = [
    ("No effusion. Consolidation.", "No effusion, consolidation."),
    ("Mass of 2.5 cm.", "Mass of 2, 5 cm."),
    ("Mass of 2.5 cm.", "Mass of 2-5 cm."),
    ("Mass of 2.5 cm.", "Mass of 25 cm."),
    ("Effusion (+).", "Effusion (-)."),
    ("Effusion +/- mass.", "Effusion + mass."),
    ("Mass < 5 cm.", "Mass > 5 cm."),
    ("Mass?", "Mass."),
    ("Fracture of T8.", "Fracture of T9."),
    ("The heart is enlarged.", "The heart is not enlarged."),
    ("Left effusion. Right mass. It is small.", "Left effusion. It is small. Right mass."),
    ("XXXX effusion.", "___ effusion."),
]


def same_text(*reports: str) -> list[list[bool]]:
    index, texts = indexed((StudyRow(f"s{n:03}", f"p{n}", text, 1, np.empty(0)) for n, text in enumerate(reports)), 0)
    assert texts == list(reports)
    return (index.report_group_S[:, None] == index.report_group_S).tolist()


@pytest.mark.parametrize("pair", SAME)
def test_reports_read_the_same_whatever_their_case_spaces_and_punctuation(pair: tuple[str, str]) -> None:
    assert normalised(pair[0]) == normalised(pair[1])
    assert same_text(*pair) == [[True, True], [True, True]]


@pytest.mark.parametrize("pair", OTHER)
def test_reports_with_another_sign_number_sentence_or_word_read_differently(pair: tuple[str, str]) -> None:
    assert normalised(pair[0]) != normalised(pair[1])
    assert same_text(*pair) == [[True, False], [False, True]]


def test_reports_are_grouped_by_their_normalised_text() -> None:
    texts = [text for pair in SAME + OTHER for text in pair] + ["", "..", "No effusion consolidation"]
    expected = [[normalised(a) == normalised(b) for b in texts] for a in texts]
    assert same_text(*texts) == expected
