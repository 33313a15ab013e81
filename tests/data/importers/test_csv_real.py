"""`radsweep pack csv` on the two real folders: the counts were taken from the tables by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.inspection.inspection import inspect_dataset
from radsweep.data.packing.pack import Packed, describe

FIGURE1 = {
    "image": "images/{patientid}.*",
    "report": "notes",
    "patient": "patientid",
    "patient_pattern": "^(.*?)[a-c]?$",
    "view": "view",
}
COVIDCXR = {
    "image": "images/{image_file}",
    "report": "clinical_notes",
    "patient": "patientid",
    "view": "view",
    "labels": ("finding",),
}
Real = Callable[[str], Path]


def pack(root: Path, out: Path, **settings: object) -> Packed:
    return pack_source("csv", CsvSettings(**settings), root, out)  # type: ignore[arg-type]


def test_figure1_loses_its_seven_rows_without_a_note(real: Real, tmp_path: Path) -> None:
    packed = pack(real("figure1"), tmp_path / "out", **FIGURE1)
    assert packed.manifest.dropped == {"no report": 6, "report is a placeholder": 1}
    assert (packed.rows, packed.packed) == (55, 48)
    assert sum(packed.manifest.studies["pairs"].values()) == 48
    assert "the table was read as cp1252" in packed.manifest.notes
    assert packed.one_person == ()


def test_figure1_has_55_images_of_48_patients(real: Real, tmp_path: Path) -> None:
    settings = {key: value for key, value in FIGURE1.items() if key != "report"}
    manifest = pack(real("figure1"), tmp_path / "out", **settings, size=64).manifest
    assert sum(manifest.images["images"].values()) == 55
    assert sum(manifest.patients["images"].values()) == 48


def test_covidcxr_has_one_person_with_two_ids(real: Real, tmp_path: Path) -> None:
    packed = pack(real("covidcxr"), tmp_path / "out", **COVIDCXR)
    assert (packed.rows, packed.packed) == (114, 112)
    assert packed.manifest.dropped == {"duplicate of another row": 2}
    assert packed.one_person == ((99, 113),)
    assert sum(packed.manifest.patients["pairs"].values()) == 44
    lines = describe(packed)
    named = next(i for i, line in enumerate(lines) if line.startswith("rows 99 and 113 are one person"))
    assert named < next(i for i, line in enumerate(lines) if line.startswith("dropped, duplicate"))
    inspection = inspect_dataset(tmp_path / "out")
    assert inspection.views == {"PA": 46, "Axial": 16, "Coronal": 15, "AP": 14, "L": 13, "AP Supine": 8}
    assert inspection.repeats.same_patient == 40


@pytest.mark.parametrize("image", ["images/{image_file}", "image_file"])
def test_covidcxr_without_its_ct_slices(real: Real, tmp_path: Path, image: str) -> None:
    packed = pack(real("covidcxr"), tmp_path / "out", **{**COVIDCXR, "image": image}, keep=("modality=X-ray",))
    assert (packed.rows, packed.packed) == (83, 81)
    assert packed.manifest.source["rows_left_out_by_keep"] == 31
