"""Attributes of a DICOM header that its picture needs, read leniently: empty values, decimal commas, odd spellings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from radsweep.data.images import faults
from radsweep.data.images.codec import PictureError
from radsweep.data.images.grey_levels import LINEAR, LINEAR_EXACT, SIGMOID, GreyScale, LookupTable, Window

PALETTE = "PALETTE COLOR"
_PHOTOMETRIC = {
    re.sub(r"[ _]", "", name): name
    for name in (
        "MONOCHROME1", "MONOCHROME2", PALETTE, "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT",
        "YBR_PARTIAL_420", "YBR_PARTIAL_422",
    )
}  # fmt: skip

# Nothing else of the header is read, so nothing else can reach an output, a warning or a log.
_TABLES = [
    f"{segmented}{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
]
_DESCRIPTORS = [name for name in _TABLES if name.endswith("Descriptor")]
_REQUIRED = ["Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"]
_OF_WHOLE_VALUES = ["BitsStored", "PixelRepresentation"]
_LAYOUT = [*_REQUIRED, *_OF_WHOLE_VALUES, "HighBit", "PlanarConfiguration", "NumberOfFrames"]
_VALUES = ["RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "PixelPaddingValue", "PixelPaddingRangeLimit"]
_SHOWN = ["WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape"]
_GROUPS = ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"]  # the first that has a value counts
_OF_A_FRAME = ["PixelValueTransformationSequence", "FrameVOILUTSequence"]  # in a group: rescale and window
_PIXELS = ["PixelData", "FloatPixelData", "DoubleFloatPixelData"]
_OFFSETS = ["ExtendedOffsetTable", "ExtendedOffsetTableLengths"]
NEEDED = [*_LAYOUT, *_VALUES, *_SHOWN, *_GROUPS, *_TABLES, *_OFFSETS, *_PIXELS]


class DicomHeader:
    """The header of a picture. dataset: of pydicom, with the tags of NEEDED."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def check(self) -> None:
        """Raise PictureError if an attribute is missing that no picture can be decoded without."""
        if not self.has_pixels:
            raise PictureError(faults.NO_PIXELS)
        whole = "PixelData" in self.dataset
        for name in (*_REQUIRED, *(_OF_WHOLE_VALUES if whole else ())):
            if name != "PhotometricInterpretation" and self._whole(name) is None:
                raise PictureError(faults.lacks(name))
        if not self.photometric:
            raise PictureError(faults.lacks("PhotometricInterpretation"))
        if self.photometric == PALETTE and not all(self.dataset.get(name) for name in _DESCRIPTORS):
            raise PictureError(faults.lacks(_DESCRIPTORS[0]))
        for name in ("Rows", "Columns", "BitsAllocated", *(("BitsStored",) if whole else ())):
            if not (self._whole(name) or 0) > 0:
                raise PictureError(faults.unusable(name))
        if not any(self.dataset.get(name) for name in _PIXELS):
            raise PictureError(faults.NO_PIXELS)

    @property
    def has_pixels(self) -> bool:
        """True if there is an element of pixel data, even an empty one."""
        return any(name in self.dataset for name in _PIXELS)

    @cached_property
    def photometric(self) -> str:
        """The photometric interpretation as the standard spells it, or "". Raises PictureError if it is unknown."""
        given = str(self.dataset.get("PhotometricInterpretation") or "")
        found = _PHOTOMETRIC.get(re.sub(r"[\s_\0]", "", given).upper(), "")
        if given.strip(" \0") and not found:
            raise PictureError(faults.COLOURS)
        return found

    @property
    def frames(self) -> int:
        """Number of frames; 1 if the header has no usable number, since only the first frame is decoded."""
        try:
            return max(1, self._whole("NumberOfFrames") or 1)
        except PictureError:
            return 1

    @property
    def transfer_syntax(self) -> str:
        """Transfer syntax, or for a data set without a file header the one that it was read by. Raises PictureError."""
        from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

        if named := str(self.dataset.file_meta.get("TransferSyntaxUID") or ""):
            return named
        if "PixelData" in self.dataset and self.dataset["PixelData"].is_undefined_length:
            raise PictureError(faults.NO_SYNTAX)
        implicit, little = self.dataset.original_encoding
        if not little:
            return ExplicitVRBigEndian
        return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian

    def settle(self, syntax: str) -> None:
        """Write attributes as pydicom expects them. Raises PictureError if the pixel data are shorter than they say."""
        from pydicom.uid import UID

        dataset = self.dataset
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        dataset.PhotometricInterpretation = self.photometric
        dataset.NumberOfFrames = self.frames
        if dataset.SamplesPerPixel > 1 and dataset.get("PlanarConfiguration") is None:
            if not UID(syntax).is_encapsulated:
                raise PictureError(faults.lacks("PlanarConfiguration"))
            dataset.PlanarConfiguration = 0  # compressed pixels have their own order
        if not UID(syntax).is_encapsulated:
            name = next(name for name in _PIXELS if dataset.get(name))
            samples = 2 if self.photometric == "YBR_FULL_422" else dataset.SamplesPerPixel
            if 8 * len(dataset[name].value) < dataset.Rows * dataset.Columns * samples * dataset.BitsAllocated:
                raise PictureError(faults.DICOM_CUT_OFF)
        if self._shift(syntax):
            dataset.BitsStored = dataset.BitsAllocated  # so that pydicom leaves the other bits in place

    def aligned(self, words: np.ndarray) -> np.ndarray:
        """Return values that are stored above the lowest bit, as HighBit says, from their words."""
        stored, shift = self._stored, self._shift(self.transfer_syntax)
        if not shift:
            return words
        above = 8 * words.dtype.itemsize - stored
        if (words & (2**shift - 1)).any() and (words.astype(np.int64) & ~(2**stored - 1) == 0).all():
            shift = 0  # HighBit is wrong: only the lowest bits are used
        return (words << (above - shift)) >> above

    @cached_property
    def grey_scale(self) -> GreyScale:
        """The grey scale of the first frame. Raises PictureError if a value makes no sense."""
        slope = self._first("RescaleSlope", 1.0)
        if slope == 0:
            raise PictureError(faults.unusable("RescaleSlope"))
        return GreyScale(
            rescale=(slope, self._first("RescaleIntercept", 0.0)),
            modality=self._table("ModalityLUTSequence"),
            voi=self._table("VOILUTSequence"),
            window=self._window(),
            inverted=self._inverted(),
            padding=self._padding(),
            bits=self._stored,
        )

    @cached_property
    def _stored(self) -> int:
        return self._whole("BitsStored") or 8

    def _shift(self, syntax: str) -> int:
        """Bits below the lowest one of a value, in words that are stored as they are."""
        from pydicom.uid import UID, RLELossless

        high, allocated = self._whole("HighBit"), self._whole("BitsAllocated") or 0
        if high is None or (UID(syntax).is_encapsulated and syntax != RLELossless):
            return 0
        return high + 1 - self._stored if self._stored < high + 1 <= allocated else 0

    def _window(self) -> Window | None:
        """The first window that has a width."""
        function = str(self._found("VOILUTFunction") or "").strip().upper()
        function = function if function in (LINEAR_EXACT, SIGMOID) else LINEAR
        windows = zip(self._numbers("WindowCenter"), self._numbers("WindowWidth"), strict=False)
        return next((Window(center, width, function) for center, width in windows if width > 0), None)

    def _inverted(self) -> bool:
        """Return True if low values are bright.

        The presentation shape counts before the photometric interpretation: after IDENTITY, values are P-values
        (PS3.3 C.11.6).
        """
        shape = str(self.dataset.get("PresentationLUTShape") or "").strip().upper()
        return shape == "INVERSE" if shape in ("IDENTITY", "INVERSE") else self.photometric == "MONOCHROME1"

    def _padding(self) -> tuple[float, float] | None:
        """Lowest and highest value of the background, in the form that pixels are stored in."""
        value, limit = self._whole("PixelPaddingValue"), self._whole("PixelPaddingRangeLimit")
        if value is None or "PixelData" not in self.dataset:
            return None
        ends = sorted(self._as_stored(end) for end in (value, value if limit is None else limit))
        return ends[0], ends[1]

    def _as_stored(self, value: int) -> int:
        """Convert a value that may have been written with or without a sign, and with bits above BitsStored."""
        value &= 2**self._stored - 1
        signed = self.dataset.PixelRepresentation == 1 and value >= 2 ** (self._stored - 1)
        return value - 2**self._stored if signed else value

    def _table(self, name: str) -> LookupTable | None:
        item = next(iter(self._found(name) or []), None)
        if item is None or not item.get("LUTDescriptor") or not item.get("LUTData"):
            return None
        count, first, bits = (int(part) for part in item.LUTDescriptor)
        count = count & 0xFFFF or 2**16
        if first > 0x7FFF and self.dataset.PixelRepresentation == 1:
            first -= 2**16
        data = item.LUTData
        if isinstance(data, bytes):
            wide = len(data) >= 2 * count
            order = "<" if self.dataset.original_encoding[1] else ">"
            entries = np.frombuffer(data, f"{order}u2" if wide else np.uint8)
        else:
            entries = np.atleast_1d(np.asarray(data, np.int64)) & 0xFFFF
            if bits <= 8 and len(entries) < count:  # two entries in a word
                entries = entries.astype("<u2").view(np.uint8)
        if not len(entries):
            raise PictureError(faults.unusable(name))
        return LookupTable(entries[:count].astype(np.uint16), first)

    def _places(self) -> Iterator[Any]:
        """Yield the data sets that may hold an attribute of the first frame, the most specific one first."""
        for groups in _GROUPS:
            for group in (self.dataset.get(groups) or [])[:1]:
                for macro in _OF_A_FRAME:
                    yield from (group.get(macro) or [])[:1]
        yield self.dataset

    def _found(self, name: str) -> Any:
        return next((place.get(name) for place in self._places() if place.get(name)), None)

    def _first(self, name: str, default: float) -> float:
        return (self._numbers(name) or [default])[0]

    def _whole(self, name: str) -> int | None:
        numbers = self._numbers(name)
        return int(numbers[0]) if numbers else None

    def _numbers(self, name: str) -> list[float]:
        """Return the numbers of an attribute; empty if it is missing or empty. Raises PictureError."""
        for place in self._places():
            if name in place and (parts := _parts(place, name)):
                try:
                    numbers = [float(str(part).strip().replace(",", ".")) for part in parts]
                except ValueError:
                    raise PictureError(faults.unusable(name)) from None
                if not all(map(math.isfinite, numbers)):
                    raise PictureError(faults.unusable(name))
                return numbers
        return []


def _parts(place: Any, name: str) -> list[Any]:
    """Return the values of an attribute. Texts are not converted, since pydicom refuses decimal commas."""
    from pydicom.tag import Tag

    raw = place.get_item(Tag(name))
    value = raw.value
    if isinstance(value, bytes) and raw.VR in ("DS", "IS", "UN"):
        value = value.decode("latin-1").strip(" \0")
        value = value.split("\\")
    elif isinstance(value, bytes):
        value = place[name].value
    several = hasattr(value, "__iter__") and not isinstance(value, str | bytes)
    return [part for part in (value if several else [value]) if part is not None and str(part).strip(" \0")]
