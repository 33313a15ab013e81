"""DICOM files and the PNG they were made from give the same picture in the shards, and nothing of the header."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from radsweep.data.images.codec import decode, to_8_bit
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.packing.pack import describe

MARK = "MARKED^PATIENT"
SYNTAXES = {"plain": None, "rle": RLELossless, "jpeg2000": JPEG2000Lossless}
FORMS = list(itertools.product(("MONOCHROME1", "MONOCHROME2"), (8, 12, 16), SYNTAXES))


def picture(seed: int, bits: int) -> np.ndarray:
    """Return [32, 40] that includes the darkest and the brightest value."""
    pixels = np.random.default_rng(seed).integers(0, 2**bits, (32, 40), np.uint16)
    pixels[0, :2] = 0, 2**bits - 1
    return pixels.astype(np.uint8) if bits == 8 else pixels


def dicom(shown: np.ndarray, photometric: str, bits: int, syntax: str | None) -> Dataset:
    """Make a file that shows `shown`, with the patient's name in every field that can hold it."""
    pixels = (2**bits - 1 - shown).astype(shown.dtype) if photometric == "MONOCHROME1" else shown
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    ds.PatientName = ds.PatientID = ds.OtherPatientNames = ds.AccessionNumber = ds.ReferringPhysicianName = MARK
    ds.PatientComments = ds.ImageComments = ds.InstitutionName = ds.StudyDescription = f"seen by {MARK}"
    ds.Rows, ds.Columns = shown.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, photometric, 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8 * shown.dtype.itemsize, bits, bits - 1
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = pixels.tobytes()
    ds.private_block(0x0011, MARK, create=True).add_new(0x01, "LO", MARK)
    if syntax:
        ds.compress(syntax)
    return ds


def test_every_form_packs_like_the_png_it_came_from_and_names_nobody(
    tree: Callable[..., Path], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"image": f"{form}.{kind}", "patient": f"{kind}{form}", "notes": f"{kind} {form}"}
        for form in range(len(FORMS))
        for kind in ("png", "dcm")
    ]
    root = tree([*rows, {"image": "broken.dcm", "patient": "x", "notes": "broken"}], {})
    for form, (photometric, bits, syntax) in enumerate(FORMS):
        shown = picture(form, bits)
        Image.fromarray(shown).save(root / "images" / f"{form}.png")
        file = root / "images" / f"{form}.dcm"
        pydicom.dcmwrite(file, dicom(shown, photometric, bits, SYNTAXES[syntax]), enforce_file_format=True)
        assert MARK.encode() in file.read_bytes()
    (root / "images" / "broken.dcm").write_bytes((root / "images" / "1.dcm").read_bytes()[:-200])
    settings = CsvSettings(image="images/{image}", report="notes", patient="patient")
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        packed = pack_source("csv", settings, root, root.parent / "out")
    assert packed.manifest.dropped == {"DICOM is cut off": 1}
    shards = [root.parent / "out" / shard.path for shard in packed.manifest.shards]
    stored = {study["report"]: study["images"] for shard in shards for study in pq.read_table(shard).to_pylist()}
    for form, name in enumerate(FORMS):
        png, dcm = (to_8_bit(decode(stored[f"{kind} {form}"][0]["data"])).astype(int) for kind in ("png", "dcm"))
        assert np.abs(png - dcm).max() <= 1, name
        assert np.ptp(png) > 250
    outputs = [path for path in (root.parent / "out").rglob("*") if path.is_file()]
    assert len(outputs) > 5
    assert not [path for path in outputs if b"MARKED" in path.read_bytes()]
    warned = [f"{warning.filename}: {warning.message}" for warning in caught]
    said = "".join([*describe(packed), caplog.text, *warned, *capfd.readouterr()])
    assert "MARKED" not in said
    assert "pydicom" not in said, "no warning that the reader cannot act on"
