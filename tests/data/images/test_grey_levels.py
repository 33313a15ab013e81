"""Grey levels are those of pydicom's own lookup tables, for its bundled files and for generated tags."""

from __future__ import annotations

import io
import itertools
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing, pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from radsweep.data.images.codec import PictureError, to_8_bit
from radsweep.data.images.dicom import decode_dicom

BUNDLED = Path(pydicom.__file__).parent / "data"
LAYOUTS = [(8, 8), (16, 10), (16, 12), (16, 16), (32, 20)]  # bits allocated, bits stored
RESCALES = [None, (1, -1024), (0.25, 0), (16, 0), (40, 7), (-1, 4095)]  # slope, intercept
WINDOWS: list[dict[str, object]] = [
    {},
    {"WindowCenter": 300, "WindowWidth": 500},
    {"WindowCenter": [100, 900], "WindowWidth": [77.5, 20]},
    {"WindowCenter": 300, "WindowWidth": 500, "VOILUTFunction": "SIGMOID"},
    {"WindowCenter": 150.5, "WindowWidth": 99, "VOILUTFunction": "LINEAR_EXACT"},
]
SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless]


def table(count: int, first: int, bits: int, *, falling: bool = False) -> Dataset:
    entries = np.round(np.linspace(0, 1, count) ** 1.5 * (2**bits - 1)).astype(int)
    found = Dataset()
    found.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count, first, bits])
    found.add_new("LUTData", "US", [int(entry) for entry in (entries[::-1] if falling else entries)])
    return found


def generated() -> Iterator[Dataset]:
    """Yield a data set for every third combination of layout, sign, polarity, modality and VOI, syntaxes in turn."""
    random = np.random.default_rng(0)
    shown = [*((window, False) for window in WINDOWS), ({}, True), (WINDOWS[1], True)]
    tags = itertools.product(LAYOUTS, (0, 1), ("MONOCHROME1", "MONOCHROME2"), [*RESCALES, "table"], shown)
    for number, (layout, signed, photometric, modality, (window, voi)) in enumerate(itertools.islice(tags, 0, None, 3)):
        allocated, stored = layout
        low = -(2 ** (stored - 1)) if signed else 0
        pixels = random.integers(low, low + 2**stored, (12, 10)).astype(f"{'iu'[1 - signed]}{allocated // 8}")
        pixels.flat[:2] = low, low + 2**stored - 1
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        syntax = SYNTAXES[number % (3 if allocated == 32 else 4)]
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 12, 10, 1, photometric
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = allocated, stored, stored - 1, signed
        if modality == "table":
            ds.ModalityLUTSequence = [table(200, 20, 16)]
        elif modality:
            ds.RescaleSlope, ds.RescaleIntercept = modality
        for name, value in window.items():
            setattr(ds, name, value)
        if voi:
            ds.VOILUTSequence = [table(300, -50 if signed else 10, (8, 12, 16)[number % 3], falling=number % 2 == 0)]
        big = syntax == ExplicitVRBigEndian
        ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes()
        ds["PixelData"].VR = "OW"
        if syntax == RLELossless:
            ds.compress(RLELossless)
        yield ds


def saved(ds: Dataset) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def shown_by_pydicom(ds: Dataset) -> np.ndarray:
    """Return the first frame by pydicom's tables, its output range scaled to 0 .. 255."""
    pixels = pixel_array(ds, index=0)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        return to_8_bit(apply_color_lut(pixels, ds)).astype(float)
    if pixels.ndim == 3:
        return to_8_bit(pixels).astype(float)
    # pydicom counts positions in a modality table with the type of the pixels, which may be too narrow
    values = apply_modality_lut(pixels.astype(np.int64) if ds.get("ModalityLUTSequence") else pixels, ds)
    if ds.get("VOILUTSequence"):
        count, first, _ = ds.VOILUTSequence[0].LUTDescriptor
        ds.VOILUTSequence[0].LUTDescriptor[2] = 16  # likewise, with the type of the table's entries
        values = apply_voi(np.clip(np.round(values), first - 1, first + count).astype(np.int64), ds)
        entries = ds.VOILUTSequence[0].LUTData
        low, high = 0.0, bits_for(max(np.frombuffer(entries, "<u2") if isinstance(entries, bytes) else entries))
    elif ds.get("WindowWidth") is not None:
        with np.errstate(over="ignore"):
            values, (low, high) = (apply_windowing(each, ds) for each in (values, np.array([-1e12, 1e12])))
    else:
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 65535 and np.array_equal(values, np.round(values)):
            low, high = 0.0, bits_for(high, 1 if ds.BitsStored == 1 else 8)
    shown = 255 * np.clip((values.astype(float) - low) / ((high - low) or 1), 0, 1)
    return 255 - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown


def bits_for(highest: float, fewest: int = 8) -> float:
    return float(2 ** max(fewest, int(highest).bit_length()) - 1)


def test_generated_tags_are_shown_as_by_pydicom() -> None:
    """327 combinations of depth, sign, polarity, rescale or table, window or table, and transfer syntax."""
    counts: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ds in generated():
            data = saved(ds)
            expected = shown_by_pydicom(pydicom.dcmread(io.BytesIO(data)))
            if np.ptp(np.round(expected)) == 0:
                with pytest.raises(PictureError, match="blank in its own window"):
                    decode_dicom(data)
                counts["blank"] += 1
                continue
            shown = decode_dicom(data)
            assert np.abs(shown - expected).max() <= 2, ds
            counts["shown"] += 1
    assert counts == {"shown": 288, "blank": 39}  # a narrow window after a steep rescale shows one value


BUNDLED_COUNTS = {
    "shown within 2 grey levels": 99,
    "shown, and pydicom refuses it": 1,  # badVR.dcm: the number of frames is "1A"
    "DICOM without pixel data": 84,
    "file is neither PNG, JPEG nor DICOM": 11,
    "DICOM is blank in its own window or lookup table": 2,
    "DICOM pixel data cannot be decoded": 2,  # damaged on purpose
    "DICOM lacks Rows": 2,
    "DICOM is cut off": 1,
    "file is not an image (gzip archive)": 1,
}


def test_files_of_pydicom_are_shown_as_by_its_tables_or_dropped_with_the_true_reason() -> None:
    counts: Counter[str] = Counter()
    files = [path for folder in ("charset_files", "palettes", "test_files") for path in (BUNDLED / folder).rglob("*")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(path for path in files if path.is_file() and path.suffix not in (".py", ".pyc")):
            try:
                shown = decode_dicom(path.read_bytes())
            except PictureError as error:
                counts[str(error)] += 1
                continue
            try:
                expected = shown_by_pydicom(pydicom.dcmread(path, force=True))
            except (ValueError, AttributeError):
                counts["shown, and pydicom refuses it"] += 1
                continue
            assert np.abs(shown - expected).max() <= 2, path.name
            counts["shown within 2 grey levels"] += 1
    if pydicom.__version__ != "3.0.2":
        pytest.skip("the counts are those of the files in pydicom 3.0.2")
    assert counts == BUNDLED_COUNTS
