"""PadChest as downloaded: lists of labels, Spanish reports, images in numbered folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.errors import InputError

Pack = Callable[..., Any]
HEADER = ("", "ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth", "Projection",
          "Pediatric", "ReportID", "Report", "MethodLabel", "Labels", "Localizations")  # fmt: skip
IMAGES = [  # image, folder, study, patient, projection, report, labels
    ("1_a.png", "0", "s1", "p1", "PA", "sin hallazgos patologicos.", "['normal']"),
    ("1_b.png", "0", "s1", "p1", "L", "sin hallazgos patologicos.", "['normal']"),
    ("2.png", "1", "s2", "p2", "AP_horizontal", "derrame, cardiomegalia.", "['pleural effusion', ' cardiomegaly']"),
    ("3.png", "1", "s3", "p3", "UNK", "cardiomegalia.", "['cardiomegaly', '']"),
    ("4.png", "54", "s4", "p4", "COSTAL", "fractura costal.", ""),
    ("5.png", "54", "s5", "p5", "PA", "", "['normal']"),
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, table: Callable[..., None], picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "padchest"
    rows = [
        (i, image, folder, 20140915, study, patient, 1930, view, "No", i, report, "Physician", labels, "[]")
        for i, (image, folder, study, patient, view, report, labels) in enumerate(IMAGES)
    ]
    table(root / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", HEADER, rows)
    for seed, (image, folder, *_) in enumerate(IMAGES):
        picture(root / folder / image, seed)
    return root


def test_studies_have_their_views_reports_and_the_labels_of_lists(pack: Pack, root: Path) -> None:
    packed = pack("padchest", root, label_images=1)
    assert packed.manifest.dropped == {"no report": 1}
    assert packed.manifest.labels == ("cardiomegaly", "normal", "pleural effusion")
    first = packed.study("sin hallazgos patologicos.")
    assert [image["view"] for image in first["images"]] == ["PA", "L"]
    assert packed.study("derrame, cardiomegalia.")["labels"] == {
        "cardiomegaly": 1, "normal": 0, "pleural effusion": 1
    }  # fmt: skip
    assert set(packed.study("fractura costal.")["labels"].values()) == {None}
    assert packed.study("cardiomegalia.")["images"][0]["view"] == ""


def test_rare_names_are_no_labels_and_only_one_kind_of_view_may_be_kept(pack: Pack, root: Path) -> None:
    packed = pack("padchest", root, label_images=2, views="frontal")
    assert packed.manifest.labels == ("cardiomegaly", "normal")
    assert "1 of 3 names are not labels: each is in fewer than 2 images" in packed.manifest.notes
    assert {image["view"] for study in packed.studies for image in study["images"]} == {"PA", "AP horizontal"}


def test_images_may_be_in_any_folder(pack: Pack, root: Path) -> None:
    expected = pack("padchest", root).manifest.studies
    for path in list(root.glob("*/*.png")):
        (root / "all" / "png").mkdir(parents=True, exist_ok=True)
        path.rename(root / "all" / "png" / path.name)
    assert pack("padchest", root).manifest.studies == expected


def test_a_list_that_is_broken_is_refused_with_its_row(pack: Pack, root: Path) -> None:
    path = next(root.glob("*.csv"))
    path.write_text(path.read_text().replace("['cardiomegaly', '']", "['cardiomegaly, '']"))
    with pytest.raises(InputError, match=r"row 4: Labels: the (quotes|list)"):
        pack("padchest", root)


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], root: Path) -> None:
    typed_as_on_its_page("padchest", root)
