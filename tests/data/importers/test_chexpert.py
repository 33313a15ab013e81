"""CheXpert as downloaded, with and without the reports of CheXpert Plus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.data.importers.toolkit.views_and_labels import CHEXPERT_CLASSES
from radsweep.data.loading.decode import read_labelled
from radsweep.errors import InputError

Pack = Callable[..., Any]
HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_CLASSES)
PLUS = (
    "", "path_to_image", "path_to_dcm", "frontal_lateral", "ap_pa", "deid_patient_id", "patient_report_date_order",
    "report", "section_narrative", "section_clinical_history", "section_history", "section_comparison",
    "section_technique", "section_procedure_comments", "section_findings", "section_impression",
    "section_end_of_impression", "section_summary", "section_accession_number", "age", "sex", "race", "ethnicity",
    "interpreter_needed", "insurance_type", "recent_bmi", "deceased", "split",
)  # fmt: skip
EFFUSION = CHEXPERT_CLASSES.index("Pleural Effusion")
EDEMA = CHEXPERT_CLASSES.index("Edema")


def labels(**places: str) -> list[str]:
    named = {"edema": EDEMA, "effusion": EFFUSION}
    cells = [""] * 14
    for name, value in places.items():
        cells[named[name]] = value
    return cells


TRAIN = [
    ("patient00001/study1/view1_frontal.jpg", "Frontal", "AP", labels(effusion="1.0", edema="-1.0")),
    ("patient00002/study2/view1_frontal.jpg", "Frontal", "PA", labels(effusion="0.0")),
    ("patient00002/study2/view2_lateral.jpg", "Lateral", "", labels(effusion="0.0")),
    ("patient00003/study1/view1_frontal.jpg", "Frontal", "AP", labels(edema="1.0")),
    ("patient00004/study1/view1_frontal.jpg", "Frontal", "AP", labels()),
    ("patient00005/study1/view1_frontal.jpg", "Frontal", "", labels(edema="nan")),
    ("patient00005/study1/view1_frontal.jpg", "Frontal", "", labels(edema="nan")),
]
VALID = [
    ("patient64541/study1/view1_frontal.jpg", "Frontal", "AP", labels(effusion="1.0", edema="0.0")),
    ("patient64542/study1/view1_frontal.jpg", "Frontal", "PA", labels(effusion="0.0", edema="1.0")),
]


@pytest.fixture
def root(tmp_path: Path, table: Callable[..., None], picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "CheXpert-v1.0-small"
    for split, rows in (("train", TRAIN), ("valid", VALID)):
        table(
            root / f"{split}.csv",
            HEADER,
            [(f"CheXpert-v1.0-small/{split}/{path}", "Female", 68, side, ap, *cells) for path, side, ap, cells in rows],
        )
        for seed, (path, *_) in enumerate(rows, 10 * len(rows)):
            picture(root / split / path, seed)
    (root / "train" / "patient00003" / "study1" / "view1_frontal.jpg").unlink()
    (root / "train" / "patient00004" / "study1" / "view1_frontal.jpg").write_bytes(b"\xff\xd8\xff broken")
    return root


def test_without_reports_only_images_are_packed_with_labels_views_and_official_splits(
    pack: Pack, root: Path, counted: Callable[..., Any]
) -> None:
    packed = pack("chexpert", root)
    assert counted(packed.manifest.studies) == {"images": (3, 2, 0)}
    assert packed.manifest.dropped == {
        "image file not found": 1,
        "image is cut off": 1,
        "duplicate of another row": 1,
    }
    views = [[image["view"] for image in study["images"]] for study in packed.studies if study["split"] == "train"]
    assert sorted(views) == [["AP"], ["Frontal"], ["PA", "Lateral"]]
    first = next(study for study in packed.studies if study["images"][0]["view"] == "AP" and study["split"] == "train")
    assert (first["labels"]["Pleural Effusion"], first["labels"]["Edema"], first["labels"]["Fracture"]) == (
        1,
        None,
        None,
    )
    source = packed.manifest.source
    assert (source["labels_positive"], source["labels_negative"], source["labels_uncertain"]) == (4, 4, 1)
    assert source["labels_not_mentioned"] == 14 * 9 - 9
    assert any("the data has no reports" in note for note in packed.manifest.notes)
    assert any("the data has no test split" in note for note in packed.manifest.notes)


def test_valid_as_test_sets_validation_aside_from_train_by_patient(
    pack: Pack, root: Path, counted: Callable[..., Any]
) -> None:
    packed = pack("chexpert", root, valid="test", split_fractions=(0.5, 0.5, 0))
    assert counted(packed.manifest.studies) == {"images": (2, 1, 2)}
    assert not any("the data has no test split" in note for note in packed.manifest.notes)
    assert packed.manifest.source["valid"] == "test"


def test_the_packed_set_can_be_used_for_evaluation_by_labels(pack: Pack, root: Path, tmp_path: Path) -> None:
    pack("chexpert", root, valid="test")
    index = read_labelled(tmp_path / "out-0", ("test",))
    effusion = index.splits["test"].labels_SC[:, index.manifest.labels.index("Pleural Effusion")]
    assert sorted(effusion) == [0, 1]


def test_a_test_table_is_the_test_split(pack: Pack, root: Path, table: Callable[..., None], picture: Any) -> None:
    path = "test/patient64741/study1/view1_frontal.jpg"
    table(root / "test_labels.csv", ("Path", *CHEXPERT_CLASSES), [(path, *labels(edema="1.0"))])
    picture(root / path, 99)
    packed = pack("chexpert", root)
    (study,) = [study for study in packed.studies if study["split"] == "test"]
    assert study["images"][0]["view"] == "Frontal"
    with pytest.raises(InputError, match=r"test_labels\.csv: there is a test table"):
        pack("chexpert", root, valid="test")


def test_reports_of_chexpert_plus_make_pairs(
    pack: Pack, root: Path, table: Callable[..., None], counted: Callable[..., Any]
) -> None:
    def plus(path: str, findings: str, impression: str) -> list[object]:
        cells = {
            "path_to_image": path,
            "section_findings": findings,
            "section_impression": impression,
            "split": "train",
        }
        return [cells.get(column, "") for column in PLUS]

    rows = [
        plus("train/patient00001/study1/view1_frontal.jpg", "Blunt angle.", "1. Effusion.\n2. No edema."),
        plus("train/patient00002/study2/view1_frontal.jpg", "Clear lungs.", ""),
        plus("train/patient00002/study2/view2_lateral.jpg", "Clear lungs.", ""),
        plus("train/patient00005/study1/view1_frontal.jpg", "", ""),
        plus("valid/patient64541/study1/view1_frontal.jpg", "", "Effusion."),
    ]
    table(root / "df_chexpert_plus_240401.csv", PLUS, rows)
    packed = pack("chexpert", root)
    assert counted(packed.manifest.studies) == {"pairs": (2, 1, 0)}
    assert len(packed.study("Clear lungs.")["images"]) == 2
    assert packed.study("1. Effusion.\n2. No edema.")["labels"]["Pleural Effusion"] == 1
    assert packed.manifest.dropped == {
        "study not in the table of CheXpert Plus": 3,
        "report without a usable section": 2,
    }
    source = packed.manifest.source
    assert (source["reports_from_impression"], source["reports_from_findings"]) == (2, 1)
    kept = pack("chexpert", root, without_reports=True)
    assert counted(kept.manifest.studies) == {"pairs": (2, 1, 0), "images": (1, 1, 0)}


FIRST = "CheXpert-v1.0 batch 1 (validate & csv)"


def as_downloaded(root: Path) -> Path:
    """Put the images into the batches of the full-size set; return the folder that contains them."""
    root.rename(root.with_name(FIRST))
    for number, patients in ((2, "1"), (3, "23"), (4, "45")):
        batch = root.with_name(f"CheXpert-v1.0 batch {number} (train {number - 1})")
        batch.mkdir()
        for patient in patients:
            (root.with_name(FIRST) / "train" / f"patient0000{patient}").rename(batch / f"patient0000{patient}")
    (root.with_name(FIRST) / "train").rmdir()
    return root.parent


def test_the_batches_of_the_full_size_download_pack_like_one_folder(
    pack: Pack, root: Path, counted: Callable[..., Any]
) -> None:
    whole = pack("chexpert", root)
    batches = pack("chexpert", as_downloaded(root))
    assert counted(batches.manifest.studies) == counted(whole.manifest.studies) == {"images": (3, 2, 0)}
    assert batches.manifest.dropped == whole.manifest.dropped


def test_tables_may_be_moved_next_to_the_batches(pack: Pack, root: Path) -> None:
    above = as_downloaded(root)
    for path in (above / FIRST).iterdir():
        path.rename(above / path.name)
    assert pack("chexpert", above).manifest.studies["images"] == {"train": 3, "validation": 2, "test": 0}


def test_a_single_batch_is_refused_and_the_folder_with_all_is_named(pack: Pack, root: Path) -> None:
    above = as_downloaded(root)
    with pytest.raises(InputError, match=rf"train is missing; .* It is in {above}; give that folder as ROOT"):
        pack("chexpert", above / FIRST)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_split_without_any_image_is_refused(pack: Pack, root: Path, split: str) -> None:
    (root / split).rename(root / "elsewhere")
    (root / split).mkdir()
    with pytest.raises(InputError, match=rf"{split}\.csv: none of its \d images is in .*; they come with CheXpert"):
        pack("chexpert", root)


def test_frontal_images_stay_frontal_whatever_their_ap_pa_is(pack: Pack, root: Path) -> None:
    for name in ("train.csv", "valid.csv"):
        text = (root / name).read_text()
        (root / name).write_text(text.replace("Frontal,AP", "Frontal,LL").replace("Lateral,,", "Lateral,AP,"))
    packed = pack("chexpert", root)
    views = sorted(image["view"] for study in packed.studies for image in study["images"])
    assert views == ["Frontal", "Frontal", "Frontal", "Lateral", "PA", "PA"]
    assert pack("chexpert", root, views="lateral", valid="test").manifest.source["rows_left_out_by_views"] == 8


def test_wrong_trees_are_reported(pack: Pack, root: Path, table: Callable[..., None]) -> None:
    with pytest.raises(
        InputError,
        match=rf"train\.csv, valid\.csv, train, valid are missing; .* They are in {root}; give that folder as ROOT",
    ):
        pack("chexpert", root.parent)
    table(root / "valid.csv", HEADER, [("view1_frontal.jpg", "Male", 1, "Frontal", "AP", *labels())])
    with pytest.raises(InputError, match=r"valid\.csv: row 1: Path is not like CheXpert-v1\.0/train/patient00001/"):
        pack("chexpert", root)
    (root / "valid.csv").unlink()
    with pytest.raises(InputError, match=r"valid\.csv is missing; it comes with CheXpert, https://stanfordmlgroup"):
        pack("chexpert", root)


@pytest.mark.parametrize(
    "texts",
    [  # findings and impression of the two rows of a study
        [("", ""), ("Clear.", "Normal.")],
        [("nan", "None"), ("Clear.", "Normal.")],
        [("", "XXXX"), ("", "Normal.")],
        [("", "Normal."), ("", "")],
        [("", "Normal."), ("", "Other.")],
    ],
)
def test_the_first_usable_row_of_a_study_in_chexpert_plus_is_its_report(
    pack: Pack, root: Path, table: Callable[..., None], texts: list[tuple[str, str]]
) -> None:
    rows = []
    for number, (findings, impression) in enumerate(texts, 1):
        cells = {"section_findings": findings, "section_impression": impression}
        cells |= {"path_to_image": f"train/patient00002/study2/view{number}.jpg"}
        rows.append([cells.get(column, "") for column in PLUS])
    table(root / "df_chexpert_plus_240401.csv", PLUS, rows)
    packed = pack("chexpert", root)
    assert len(packed.study("Normal.")["images"]) == 2
    assert packed.manifest.source["reports_from_impression"] == 1, "a study is counted once"
    differing = "studies whose rows in the table of CheXpert Plus differ: 1; the first with a usable section was taken"
    assert differing in packed.manifest.notes


def test_a_path_outside_root_is_refused_or_not_found(pack: Pack, root: Path, table: Callable[..., None]) -> None:
    rows = [(path, "", 1, "Frontal", "AP", *labels()) for path in ("../../../x.jpg", "train/a/b/c.jpg")]
    table(root / "train.csv", HEADER, rows)
    with pytest.raises(InputError, match=r"train\.csv: none of its 2 images"):
        pack("chexpert", root)


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], root: Path) -> None:
    typed_as_on_its_page("chexpert", root)
