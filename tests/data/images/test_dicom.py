"""DICOM files made with pydicom decode to the picture they were made from, and reveal nothing about the patient."""

from __future__ import annotations

import io
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from radsweep.data.images.codec import PictureError
from radsweep.data.images.dicom import decode_dicom

MARK = "MARKED^PATIENT"


def ramp(bits: int = 8) -> np.ndarray:
    """Return [32, 48] with every row from 0 to 2^bits - 1."""
    return np.tile(np.round(np.linspace(0, 2**bits - 1, 48)), (32, 1)).astype(np.uint8 if bits == 8 else np.uint16)


def header(pixels: np.ndarray, photometric: str = "MONOCHROME2", stored: int | None = None, **more: Any) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    ds.PatientName, ds.PatientID = MARK, "ID-" + MARK
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = stored or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def saved(ds: Dataset) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def expected(bits: int = 8) -> np.ndarray:
    return np.round(ramp(bits).astype(float) * 255 / (2**bits - 1)).astype(int)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
def test_every_depth_and_compression_shows_the_same_ramp(bits: int, syntax: str | None) -> None:
    ds = header(ramp(bits), stored=bits)
    if syntax:
        ds.compress(syntax)
    decoded = decode_dicom(saved(ds))
    assert decoded.dtype == np.uint8
    assert np.abs(decoded - expected(bits)).max() <= 1


def test_monochrome1_is_inverted() -> None:
    decoded = decode_dicom(saved(header(255 - ramp(), "MONOCHROME1")))
    assert np.abs(decoded - expected()).max() <= 1


def test_the_window_applies_after_the_rescale() -> None:
    pixels = ramp(12).astype(np.int16)
    ds = header(pixels, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=[40, 500], WindowWidth=[400, 1500])
    values = pixels.astype(float) - 1024
    # PS3.3 C.11.2.1.2.1, linear
    shown = np.clip(((values - (40 - 0.5)) / (400 - 1) + 0.5) * 255, 0, 255)
    assert np.abs(decode_dicom(saved(ds)) - shown).max() <= 1


def test_signed_values_without_a_window_span_black_to_white() -> None:
    decoded = decode_dicom(saved(header(ramp(12).astype(np.int16) - 1000)))
    assert np.abs(decoded - expected(12)).max() <= 1


def test_fractions_after_the_rescale_are_not_rounded_away() -> None:
    decoded = decode_dicom(saved(header(ramp(12), stored=12, RescaleSlope=1 / 4095, RescaleIntercept=0)))
    assert np.abs(decoded - expected(12)).max() <= 1


def test_an_embedded_jpeg_is_decoded() -> None:
    ds = header(ramp())
    file = io.BytesIO()
    Image.fromarray(ramp()).save(file, "JPEG", quality=98)
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.PixelData = encapsulate([file.getvalue()])
    assert np.abs(decode_dicom(saved(ds)) - expected()).max() <= 4


def test_a_window_of_width_zero_is_ignored() -> None:
    decoded = decode_dicom(saved(header(ramp(), WindowCenter=0, WindowWidth=0)))
    assert np.abs(decoded - expected()).max() <= 1


def test_a_falling_rescale_is_windowed_like_a_rising_one() -> None:
    falling = header(
        4095 - ramp(12), stored=12, RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=2048, WindowWidth=4096
    )
    assert np.abs(decode_dicom(saved(falling)) - expected(12)).max() <= 1


@pytest.mark.parametrize("function", ["", "LINEAR_EXCAT"])
def test_a_window_whose_function_is_empty_or_unknown_is_linear(function: str) -> None:
    ds = header(ramp(12), stored=12, WindowCenter=2048, WindowWidth=4096, VOILUTFunction=function)
    assert np.abs(decode_dicom(saved(ds)) - expected(12)).max() <= 1


def test_a_window_narrower_than_1_is_exact() -> None:
    ds = header(ramp(12), stored=12, RescaleSlope=1 / 4095, RescaleIntercept=0, WindowCenter=0.25, WindowWidth=0.5)
    shown = np.clip(ramp(12) / 4095 / 0.5, 0, 1) * 255
    assert np.abs(decode_dicom(saved(ds)) - shown).max() <= 1


@pytest.mark.parametrize("groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_an_enhanced_object_is_shown_by_the_rescale_and_window_of_its_first_frame(groups: str) -> None:
    def frame(center: float) -> Dataset:
        told, rescale, window = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = 1, -1024
        window.WindowCenter, window.WindowWidth = center, 400
        told.PixelValueTransformationSequence, told.FrameVOILUTSequence = [rescale], [window]
        return told

    ds = header(ramp(12), stored=12, NumberOfFrames=2, **{groups: [frame(40), frame(1500)]})
    ds.PixelData = ramp(12).tobytes() * 2
    shown = np.clip(((ramp(12) - 1024.0 - (40 - 0.5)) / (400 - 1) + 0.5) * 255, 0, 255)
    assert np.abs(decode_dicom(saved(ds)) - shown).max() <= 1


@pytest.mark.parametrize(
    ("compressed", "same"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm"),  # lossless JPEG, process 14
    ],
)
def test_jpeg_ls_and_lossless_jpeg_decode_like_the_plain_file(compressed: str, same: str) -> None:
    """Compare files that come with pydicom."""
    first, second = (
        decode_dicom(Path(str(get_testdata_file(name, download=False))).read_bytes()) for name in (compressed, same)
    )
    assert np.array_equal(first, second)
    assert np.ptp(first) > 200


def with_lookup_table(pixels: np.ndarray, values: list[int]) -> bytes:
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = values
    ds = header(pixels)
    ds.VOILUTSequence = [table]
    ds["VOILUTSequence"].value[0]["LUTDescriptor"].VR = "US"
    ds["VOILUTSequence"].value[0]["LUTData"].VR = "US"
    return saved(ds)


def test_a_lookup_table_of_values_of_interest_is_applied() -> None:
    decoded = decode_dicom(with_lookup_table(ramp(), [(255 - value) * 257 for value in range(256)]))
    assert np.abs(decoded - (255 - expected())).max() <= 1


def test_a_picture_that_uses_half_of_a_lookup_table_is_not_brightened() -> None:
    decoded = decode_dicom(with_lookup_table(ramp() // 2, [value * 257 for value in range(256)]))
    assert np.abs(decoded - expected() // 2).max() <= 1


def test_the_first_of_several_frames_is_used_and_colour_stays_colour() -> None:
    frames = np.stack([ramp(), 255 - ramp()])
    ds = header(ramp(), NumberOfFrames=2)
    ds.PixelData = frames.tobytes()
    assert np.abs(decode_dicom(saved(ds)) - expected()).max() <= 1
    colour = np.dstack([ramp(), 255 - ramp(), ramp() // 2])
    assert np.array_equal(decode_dicom(saved(header(colour, "RGB"))), colour)


def test_a_bare_data_set_without_preamble_is_read() -> None:
    ds = header(ramp())
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    file = io.BytesIO()
    del ds.file_meta
    pydicom.dcmwrite(file, ds, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert np.abs(decode_dicom(file.getvalue()) - expected()).max() <= 1


def test_broken_files_raise_without_a_word_of_the_header(caplog: pytest.LogCaptureFixture) -> None:
    whole = saved(header(ramp()))
    no_pixels = header(ramp())
    del no_pixels.PixelData
    compressed = header(ramp())
    compressed.compress(RLELossless)
    named = saved(header(ramp(), WindowWidth=400, WindowCenter=40))
    cases = (
        whole[: len(whole) // 2],
        saved(compressed)[:-100],
        saved(no_pixels),
        named.replace(b"MONOCHROME2", b"MARKED^NAME"),
        named.replace(b"400.0 ", b"MARKED"),
        b"",
        b"patientid,notes\n" * 20,
    )
    for data in cases:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with pytest.raises(PictureError) as raised:
                decode_dicom(data)
        shown = "".join(traceback.format_exception(raised.value))
        said = f"{shown} {caplog.text} {[str(warning.message) for warning in caught]}"
        assert "MARK" not in said
