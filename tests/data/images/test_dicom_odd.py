"""DICOM files with rare, empty or misspelt attributes are shown right, or dropped with the reason that is true."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from radsweep.data.images.codec import BlankError, PictureError
from radsweep.data.images.dicom import decode_dicom
from radsweep.data.images.read import picture_of

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")

PALETTE = "PALETTE COLOR"
RAMP = np.tile(np.round(np.linspace(0, 4095, 48)), (32, 1)).astype(np.uint16)  # 12 bits
SHOWN = np.round(RAMP / 4095 * 255).astype(int)
INSIDE = slice(4, None)  # rows of the picture, if the first four are background


def header(pixels: np.ndarray = RAMP, photometric: str = "MONOCHROME2", stored: int = 0, **more: Any) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = stored or ds.BitsAllocated
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def saved(ds: Dataset, *replaced: tuple[bytes, bytes]) -> bytes:
    """Return the file, with bytes replaced that pydicom does not write."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(file, ds, enforce_file_format=True)
    data = file.getvalue()
    for old, new in replaced:
        assert old in data
        assert len(old) == len(new)
        data = data.replace(old, new)
    return data


def off(data: bytes, expected: np.ndarray = SHOWN) -> float:
    """Return the largest difference in grey levels."""
    return float(np.abs(decode_dicom(data) - expected.astype(float)).max())


def padded(value: int, pixels: np.ndarray = RAMP) -> np.ndarray:
    pixels = pixels.copy()
    pixels[:4] = value
    return pixels


@pytest.mark.parametrize(
    ("pixels", "more"),
    [
        (padded(65535), {"PixelPaddingValue": 65535}),
        (padded(-2000, RAMP.astype(np.int16)), {"PixelPaddingValue": -2000}),
        (padded(-32768, RAMP.astype(np.int16)), {"PixelPaddingValue": -32768}),
        (padded(60100), {"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 65535}),
        (padded(60100), {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 60000}),
    ],
    ids=["brightest value", "signed", "darkest signed value", "range", "range from above"],
)
def test_padding_is_background_and_does_not_decide_the_scale(pixels: np.ndarray, more: dict[str, int]) -> None:
    for photometric, expected in (("MONOCHROME2", SHOWN), ("MONOCHROME1", 255 - SHOWN)):
        ds = header(pixels, photometric)
        for name, value in more.items():
            ds.add_new(name, "SS" if ds.PixelRepresentation else "US", value)
        found = decode_dicom(saved(ds))
        assert np.abs(found[INSIDE] - expected[INSIDE]).max() <= 1
        assert found[:4].max() == 0


def test_padding_written_without_its_sign_and_padding_in_a_window_are_background() -> None:
    ds = header(padded(-2000, RAMP.astype(np.int16)), WindowCenter=2048, WindowWidth=4096)
    ds.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    found = decode_dicom(saved(ds))
    assert np.abs(found[INSIDE] - SHOWN[INSIDE]).max() <= 1
    assert found[:4].max() == 0
    inverted = header(padded(0), "MONOCHROME1", stored=12)
    inverted.add_new("PixelPaddingValue", "US", 0)
    assert decode_dicom(saved(inverted))[:4].max() == 0


def test_padding_that_is_every_pixel_or_none_is_ignored() -> None:
    assert off(saved(header(PixelPaddingValue=65535))) <= 1
    with pytest.raises(BlankError, match=r"^blank image$"):
        decode_dicom(saved(header(np.full((9, 9), 7, np.uint16), PixelPaddingValue=7)))


@pytest.mark.parametrize(
    ("pixels", "more"),
    [
        (RAMP.astype(np.uint32) * 2**12, {}),
        (RAMP.astype(np.uint32) + 795_000, {}),
        (RAMP * 16, {"RescaleSlope": 16, "RescaleIntercept": 0}),
        (RAMP, {"RescaleSlope": 1, "RescaleIntercept": 70_000}),
        (RAMP.astype(np.int32) * 2**12 - 2**23, {}),
    ],
    ids=["32 bits", "dose far from 0", "slope of 16", "intercept", "signed 32 bits"],
)
def test_values_above_16_bits_are_scaled_over_their_own_range(pixels: np.ndarray, more: dict[str, Any]) -> None:
    assert off(saved(header(pixels, **more))) <= 1


def test_floating_point_pixels_are_shown_and_values_that_are_not_numbers_are_black() -> None:
    values = (RAMP / 4095).astype(np.float32)
    values[0] = np.nan
    ds = header(RAMP)
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated, ds.FloatPixelData = 32, values.tobytes()
    found = decode_dicom(saved(ds))
    assert np.abs(found[1:] - SHOWN[1:]).max() <= 1
    assert found[0].max() == 0


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_data_set_without_a_file_header_is_read_in_its_own_byte_order(syntax: UID) -> None:
    ds = header(RAMP.astype(">u2") if syntax == ExplicitVRBigEndian else RAMP)
    del ds.file_meta
    file = io.BytesIO()
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(file, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    assert off(file.getvalue()) <= 1


def test_a_compressed_data_set_without_a_file_header_has_its_reason() -> None:
    ds = header()
    ds.compress(RLELossless)
    data = saved(ds)
    with pytest.raises(PictureError, match=r"^DICOM is compressed and names no transfer syntax$"):
        decode_dicom(data[data.index(b"\x08\0\x16\0") :])


@pytest.mark.parametrize("syntax", [None, RLELossless])
@pytest.mark.parametrize("signed", [False, True])
def test_values_in_the_high_bits_of_a_word_are_moved_down(*, signed: bool, syntax: UID | None) -> None:
    values = (RAMP.astype(np.int16) - 2048) if signed else RAMP
    words = (values << 4) | 0b1010  # the lowest bits belong to an overlay
    ds = header(words.astype(values.dtype), stored=12, HighBit=15)
    if syntax:
        ds.compress(syntax)
    assert off(saved(ds)) <= 1


def test_a_high_bit_that_the_words_contradict_or_that_cannot_be_is_ignored() -> None:
    for high in (15, 3, 40):
        assert off(saved(header(stored=12, HighBit=high))) <= 1, high


def test_bits_above_the_stored_ones_do_not_count() -> None:
    assert off(saved(header(RAMP | 0xA000, stored=12))) <= 1


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME1", "", True),
    ],
)
def test_the_presentation_shape_counts_before_the_photometric_interpretation(
    photometric: str, shape: str, *, inverted: bool
) -> None:
    data = saved(header(photometric=photometric, PresentationLUTShape=shape))
    assert off(data, 255 - SHOWN if inverted else SHOWN) <= 1


@pytest.mark.parametrize("name", ["monochrome1", " MONOCHROME1", "Monochrome1", "MONOCHROME_1"])
def test_a_photometric_interpretation_in_another_spelling_is_understood(name: str) -> None:
    assert off(saved(header(photometric=name)), 255 - SHOWN) <= 1


def test_a_colour_space_in_another_spelling_is_understood() -> None:
    colours = np.dstack([SHOWN, 255 - SHOWN, SHOWN // 2]).astype(np.uint8)
    assert np.array_equal(decode_dicom(saved(header(colours, "rgb", PlanarConfiguration=0))), colours)
    ds = header(colours, "RGB", PlanarConfiguration=0)
    ds.compress(JPEG2000Lossless)
    del ds.PlanarConfiguration
    assert np.array_equal(decode_dicom(saved(ds)), colours)


@pytest.mark.parametrize(
    "more",
    [
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": 1, "RescaleIntercept": None},
        {"RescaleSlope": "", "RescaleIntercept": 0},
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": [2048, 40], "WindowWidth": [4096, 400]},
        {"WindowCenter": [40, 2048], "WindowWidth": [0, 4096]},
        {"VOILUTSequence": [], "WindowCenter": 2048, "WindowWidth": 4096},
        {"VOILUTSequence": [Dataset()], "WindowCenter": 2048, "WindowWidth": 4096},
        {"ModalityLUTSequence": []},
        {"NumberOfFrames": None},
        {"PixelPaddingValue": None},
    ],
    ids=str,
)
def test_an_empty_attribute_counts_as_missing_and_the_first_window_with_a_width_is_used(more: dict[str, Any]) -> None:
    assert off(saved(header(stored=12, **more))) <= 1


def test_a_decimal_comma_is_a_decimal_point() -> None:
    window = header(stored=12, WindowCenter="2048.5", WindowWidth="4096.0")
    assert off(saved(window, (b"2048.5", b"2048,5"), (b"4096.0", b"4096,0"))) <= 1
    rescale = header(stored=12, RescaleSlope="0.50", RescaleIntercept="0.25")
    assert off(saved(rescale, (b"0.50", b"0,50"), (b"0.25", b"0,25"))) <= 1
    half = header(stored=12, WindowCenter="0.25", WindowWidth="0.5 ", RescaleSlope=1 / 4095, RescaleIntercept=0)
    assert off(saved(half, (b"0.25", b"0,25")), np.clip(2 * SHOWN, 0, 255)) <= 2


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_modality_and_voi_tables_of_any_depth_are_applied_in_turn(bits: int) -> None:
    """pydicom refuses modality tables that are not of 8 or 16 bits."""
    falling, rising = Dataset(), Dataset()
    falling.add_new("LUTDescriptor", "US", [4096, 0, bits])
    falling.add_new("LUTData", "US", [round((4095 - value) * (2**bits - 1) / 4095) for value in range(4096)])
    rising.add_new("LUTDescriptor", "US", [2**bits & 0xFFFF, 0, 16])  # 0 stands for 65,536
    data = (np.arange(2**bits) * (65535 / (2**bits - 1))).astype("<u2").tobytes()
    rising.add_new("LUTData", "OW", data)
    assert off(saved(header(stored=12, ModalityLUTSequence=[falling])), 255 - SHOWN) <= 1
    both = header(stored=12, ModalityLUTSequence=[falling], VOILUTSequence=[rising], WindowCenter=1, WindowWidth=2)
    assert off(saved(both), 255 - SHOWN) <= 1, "the table counts before the window"


def test_a_voi_table_with_two_entries_of_8_bits_in_a_word_is_applied() -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 8])
    table.add_new("LUTData", "OW", bytes(range(255, -1, -1)))
    pixels = SHOWN.astype(np.uint8)
    assert off(saved(header(pixels, VOILUTSequence=[table])), 255 - SHOWN) <= 1


def test_a_segmented_palette_is_shown() -> None:
    ds = header(SHOWN.astype(np.uint8), "PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        segments = struct.pack("<6H", 0, 1, 0, 1, 255, 65535)  # one entry of 0, then a line to 65,535
        setattr(ds, f"Segmented{colour}PaletteColorLookupTableData", segments)
    assert off(saved(ds), np.dstack([SHOWN] * 3)) <= 1


def test_masks_of_one_bit_and_pictures_of_four_bits_are_not_nearly_black() -> None:
    four = (SHOWN // 17).astype(np.uint8)
    assert off(saved(header(four, stored=4)), four * 17.0) <= 1
    mask = (RAMP > 2000).astype(np.uint8)
    ds = header(
        mask, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=np.packbits(mask, bitorder="little").tobytes()
    )
    assert off(saved(ds), mask * 255.0) <= 1


def test_the_first_frame_is_shown_and_counted_as_one_of_several() -> None:
    several = header(NumberOfFrames=2, PixelData=RAMP.tobytes() + bytes(RAMP.nbytes))
    assert off(saved(several)) <= 1
    assert picture_of(saved(several)).source == "DICOM, first of several frames"
    blank = header(NumberOfFrames=2, PixelData=bytes(RAMP.nbytes) + RAMP.tobytes())
    with pytest.raises(BlankError, match=r"^first frame of the DICOM is blank$"):
        decode_dicom(saved(blank))
    odd = saved(header(NumberOfFrames="12"), (b"12", b"1A"))
    assert off(odd) <= 1


def without(name: str) -> Dataset:
    ds = header()
    delattr(ds, name)
    return ds


def compressed(syntax: UID) -> Dataset:
    ds = header()
    ds.PixelData = encapsulate([bytes(range(200))])
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


REQUIRED = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored")
REASONS: dict[str, tuple[Dataset | bytes, str]] = {
    **{name: (without(name), f"DICOM lacks {name}") for name in (*REQUIRED, "PixelRepresentation")},
    "no picture": (without("PixelData"), "DICOM without pixel data"),
    "empty pixels": (header(PixelData=b""), "DICOM without pixel data"),
    "short pixels": (header(PixelData=RAMP.tobytes()[:-2]), "DICOM is cut off"),
    "short file": (saved(header())[:-100], "DICOM is cut off"),
    "video": (compressed(MPEG2MPML), "DICOM compression is not read"),
    "unknown syntax": (
        saved(compressed(JPEG2000Lossless), (b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.9.90")),
        "DICOM compression is not read",
    ),
    "not JPEG 2000": (compressed(JPEG2000Lossless), "DICOM pixel data cannot be decoded"),
    "CMYK": (header(photometric="CMYK"), "DICOM photometric interpretation is not read"),
    "one sample of RGB": (header(photometric="RGB"), "DICOM photometric interpretation is not read"),
    "no palette": (header(photometric=PALETTE), "DICOM lacks RedPaletteColorLookupTableDescriptor"),
    "no rows": (header(Rows=0), "DICOM has an unusable Rows"),
    "slope of 0": (header(RescaleSlope=0, RescaleIntercept=0), "DICOM has an unusable RescaleSlope"),
    "words for a window": (
        saved(header(WindowCenter="2048", WindowWidth="4096"), (b"4096", b"wide")),
        "DICOM has an unusable WindowWidth",
    ),
    "window elsewhere": (
        header(WindowCenter=-5000, WindowWidth=10),
        "DICOM is blank in its own window or lookup table",
    ),
    "blank": (header(np.zeros((9, 9), np.uint16)), "blank image"),
    "planes": (header(np.dstack([SHOWN.astype(np.uint8)] * 3), "RGB"), "DICOM lacks PlanarConfiguration"),
}


@pytest.mark.parametrize("case", REASONS)
def test_each_cause_has_its_own_reason(case: str) -> None:
    made, reason = REASONS[case]
    data = made if isinstance(made, bytes) else saved(made)
    with pytest.raises(PictureError) as raised:
        picture_of(data)
    assert str(raised.value) == reason


def test_no_file_with_changed_or_missing_bytes_ends_in_another_error() -> None:
    window = header(stored=12, WindowCenter=2048, WindowWidth=4096, RescaleSlope=1, RescaleIntercept=0)
    packed = header()
    packed.compress(JPEG2000Lossless)
    random = np.random.default_rng(0)
    for data in (saved(window), saved(packed)):
        for number in range(100):
            damaged = bytearray(data)
            for at in random.integers(128, 600, 3):
                damaged[at] = random.integers(256)
            whole = bytes(damaged) if number % 2 else bytes(damaged[: random.integers(1, len(data))])
            try:
                picture_of(whole)
            except PictureError:
                continue
