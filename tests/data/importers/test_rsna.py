"""The RSNA Pneumonia Detection Challenge as downloaded: DICOM files, whose headers never appear in outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from radsweep.data.images.codec import decode
from radsweep.errors import InputError

Pack = Callable[..., Any]
MARK = b"MARKED"
ENTRIES = {  # image: boxes, class, patient of ChestX-ray14
    "0004cfab": (0, "No Lung Opacity / Not Normal", "00013774_026.png"),
    "00313ee0": (0, "Normal", "00013774_027.png"),
    "00436515": (2, "Lung Opacity", "00021269_003.png"),
    "00569f44": (1, "", "00005410_000.png"),
    "gone0000": (0, "Normal", "00000001_000.png"),
    "half0000": (0, "Normal", "00000002_000.png"),
}


def radiograph(seed: int) -> Dataset:
    """Make a file as in the challenge: a secondary capture, JPEG baseline, with a patient's name."""
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16), np.uint8)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", f"1.2.3.{seed}"
    ds.PatientName, ds.PatientID, ds.InstitutionName = "MARKED^NAME", "MARKED-ID", "MARKED CLINIC"
    ds.ViewPosition = "PA"
    ds.Rows = ds.Columns = 16
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    ds.PixelData = encapsulate([file.getvalue()])
    return ds


@pytest.fixture
def root(tmp_path: Path, table: Callable[..., None]) -> Path:
    root = tmp_path / "rsna"
    images = root / "stage_2_train_images"
    images.mkdir(parents=True)
    boxes, classes = [], []
    for seed, (name, (count, kind, _)) in enumerate(ENTRIES.items()):
        boxes += [(name, 264.0, 152.0, 213.0, 379.0, 1)] * count or [(name, "", "", "", "", 0)]
        classes += [(name, kind)] * max(count, 1) if kind else []
        path = images / f"{name}.dcm"
        pydicom.dcmwrite(path, radiograph(seed), enforce_file_format=True)
        if name == "half0000":
            path.write_bytes(path.read_bytes()[:-300])
    (images / "gone0000.dcm").unlink()
    table(root / "stage_2_train_labels.csv", ("patientId", "x", "y", "width", "height", "Target"), boxes)
    table(root / "stage_2_detailed_class_info.csv", ("patientId", "class"), classes)
    return root


def mapping(root: Path) -> None:
    entries = [{"img_id": of, "subset_img_id": name, "orig_labels": ["Mass"]} for name, (_, _, of) in ENTRIES.items()]
    (root / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(entries))


def test_images_are_packed_with_the_challenge_s_labels_and_its_exclusive_classes(pack: Pack, root: Path) -> None:
    packed = pack("rsna", root)
    assert sum(packed.manifest.studies["images"].values()) == 4, "a box is not an image"
    assert packed.manifest.dropped == {"image file not found": 1, "DICOM is cut off": 1}
    classes = ("Pneumonia", "Lung Opacity", "Normal", "No Lung Opacity / Not Normal")
    found = {tuple(study["labels"][name] for name in classes) for study in packed.studies}
    assert found == {(0, 0, 0, 1), (0, 0, 1, 0), (1, 1, 0, 0), (1, None, None, None)}
    assert {image["view"] for study in packed.studies for image in study["images"]} == {"Frontal"}


def test_the_mapping_to_nih_keeps_a_patient_in_one_split(pack: Pack, root: Path) -> None:
    alone = pack("rsna", root)
    assert sum(alone.manifest.patients["images"].values()) == 4
    assert any("each image counts as its own patient; put pneumonia-challenge" in note for note in alone.manifest.notes)
    mapping(root)
    packed = pack("rsna", root)
    assert sum(packed.manifest.patients["images"].values()) == 3
    assert packed.manifest.source["patients_from_mapping"] is True
    assert packed.manifest.source["splits"] == "by seed"


def test_no_byte_of_the_header_is_in_any_output(
    pack: Pack, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    assert all(MARK in path.read_bytes() for path in root.glob("stage_2_train_images/*.dcm"))
    packed = pack("rsna", root)
    outputs = [path for path in (tmp_path / "out-0").rglob("*") if path.is_file()]
    assert len(outputs) > 5
    assert not [path for path in outputs if MARK in path.read_bytes()]
    said = f"{packed.lines} {caplog.text} {[str(warning.message) for warning in recwarn]}"
    assert MARK.decode() not in said
    shown = decode(packed.studies[0]["images"][0]["data"])
    assert shown.shape == (16, 16)


def test_missing_and_broken_files_are_reported(pack: Pack, root: Path) -> None:
    (root / "pneumonia-challenge-dataset-mappings_2018.json").write_text("[1]")
    with pytest.raises(InputError, match=r"mappings_2018\.json: expected a JSON list of subset_img_id and img_id"):
        pack("rsna", root)
    (root / "stage_2_detailed_class_info.csv").unlink()
    with pytest.raises(InputError, match=r"stage_2_detailed_class_info\.csv is missing; .*www\.kaggle\.com"):
        pack("rsna", root)


def test_an_image_has_the_labels_of_all_its_boxes(pack: Pack, root: Path) -> None:
    """The first box has no value in either table."""
    for name in ("stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"):
        lines = (root / name).read_text().splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("00436515"))
        lines[first] = lines[first].rpartition(",")[0] + ","
        (root / name).write_text("\n".join(lines))
    found = {study["labels"]["Lung Opacity"]: study["labels"] for study in pack("rsna", root).studies}
    assert (found[1]["Pneumonia"], found[1]["Normal"]) == (1, 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_mapping_may_begin_with_a_byte_order_mark(pack: Pack, root: Path, encoding: str) -> None:
    mapping(root)
    path = root / "pneumonia-challenge-dataset-mappings_2018.json"
    path.write_text(path.read_text(), encoding=encoding)
    assert sum(pack("rsna", root).manifest.patients["images"].values()) == 3


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd"])
def test_a_path_outside_root_is_an_image_that_is_not_found(
    pack: Pack, root: Path, table: Callable[..., None], name: str
) -> None:
    table(root / "stage_2_train_labels.csv", ("patientId", "Target"), [(name, 1), ("0004cfab", 0)])
    assert pack("rsna", root).manifest.dropped == {"image file not found": 1}


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], root: Path) -> None:
    typed_as_on_its_page("rsna", root)
