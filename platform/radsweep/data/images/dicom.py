"""Decode the picture of a DICOM file as a viewer shows it. Nothing of the header is returned or named in an error.

Source: DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT and windows), C.7.6.3.1.2 (photometric interpretation),
C.7.6.16.2 (functional groups: attributes of single frames in enhanced objects).
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

import numpy as np

from radsweep.data.images.codec import MAX_PIXELS, PictureError, to_8_bit

# Nothing else of the header is read, so nothing else can reach an output, a warning or a log.
_PALETTE = [
    f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")
]
_LAYOUT = ["SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"]
_BITS = ["BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"]
_VALUES = ["RescaleIntercept", "RescaleSlope", "ModalityLUTSequence"]
_WINDOW = ["WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"]
_GROUPS = ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]
_OF_A_FRAME = ["PixelValueTransformationSequence", "FrameVOILUTSequence"]  # in a group: _VALUES and _WINDOW
_DATA = ["ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"]
_NEEDED = [*_LAYOUT, *_BITS, *_VALUES, *_WINDOW, *_GROUPS, *_PALETTE, *_DATA]
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def decode_dicom(data: bytes) -> np.ndarray:
    """Return uint8 [H, W] or [H, W, 3]: the first frame, rescaled, windowed, MONOCHROME1 inverted. Raises PictureError.

    The first window of the header is used. Without a window or VOI LUT, whole values from 0 are scaled as by
    `codec.to_8_bit`. Negative values (CT) and fractions (a rescale slope below 1) are scaled from the lower of 0 and
    their minimum to their maximum.
    """
    import pydicom
    from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

    _silence()
    try:
        header = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=_NEEDED)
        if "TransferSyntaxUID" not in header.file_meta:  # a bare data set, as some archives export
            header.file_meta.TransferSyntaxUID = _plain_syntax(header)
        if header.Rows * header.Columns > MAX_PIXELS:
            raise PictureError(f"larger than {MAX_PIXELS:,} pixels")
        _take_first_frame(header)
        pixels = pixel_array(header, index=0)
        photometric = header.PhotometricInterpretation
        if photometric == "PALETTE COLOR":
            return to_8_bit(apply_color_lut(pixels, header))
        if pixels.ndim == 3:
            return to_8_bit(pixels)
        grey = _windowed(apply_modality_lut(pixels, header), header)
        return 255 - grey if photometric == "MONOCHROME1" else grey
    except PictureError:
        raise
    except Exception:  # pydicom and its plugins raise many kinds of errors, whose messages may quote the header
        raise PictureError("DICOM without a picture that can be decoded") from None


def _silence() -> None:
    """Silence warnings of pydicom, which may quote the header.

    This is done at every call, since others reset the filters and pydicom resets its level.
    """
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def _plain_syntax(header: Any) -> str:
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit, _ = header.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _take_first_frame(header: Any) -> None:
    """Copy the attributes of an enhanced object's first frame to where other objects have them."""
    for groups in _GROUPS:
        for group in (header.get(groups) or [])[:1]:
            for macro in _OF_A_FRAME:
                for values in (group.get(macro) or [])[:1]:
                    for name in (*_VALUES, *_WINDOW):
                        if name in values:
                            setattr(header, name, values.get(name))


def _windowed(values: np.ndarray, header: Any) -> np.ndarray:
    from pydicom.pixels import apply_voi, apply_windowing

    if header.get("VOILUTSequence"):
        shown = apply_voi(np.round(values).astype(np.int32), header)
        # The table's ends give its brightest value; the bits in its descriptor are often those of the container.
        ends = apply_voi(np.array([-(2**31), 2**31 - 1], np.int32), header)
        bits = max(8, int(max(ends.max(), shown.max(initial=0))).bit_length())
        return _scale(shown, 0, 2**bits - 1)
    if (width := _window_width(header)) > 0:
        header.VOILUTFunction = _window_function(header, width)
        with np.errstate(over="ignore"):  # a sigmoid overflows at the extremes
            low, high = apply_windowing(np.array([-1e9, 1e9]), header)
            return _scale(apply_windowing(values, header), float(low), float(high))
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < 0 or (values.dtype.kind == "f" and not np.array_equal(values, np.round(values))):
        return _scale(values, low, high)
    return _from_zero(values)


def _window_width(header: Any) -> float:
    """Return the width of the first window, or 0 if there is none."""
    center, width = header.get("WindowCenter"), header.get("WindowWidth")
    if center is None or width is None:
        return 0
    return float(width if np.isscalar(width) or not hasattr(width, "__len__") else (list(width) or [0])[0])


def _window_function(header: Any, width: float) -> str:
    """Return the VOI LUT function: LINEAR unless a known one is named, but LINEAR_EXACT if its width is below 1."""
    named = str(header.get("VOILUTFunction") or "").upper()
    function = named if named in _FUNCTIONS else "LINEAR"
    return "LINEAR_EXACT" if function == "LINEAR" and width < 1 else function


def _from_zero(values: np.ndarray) -> np.ndarray:
    return to_8_bit(np.clip(np.round(values), 0, 65535).astype(np.uint16))


def _scale(values: np.ndarray, low: float, high: float) -> np.ndarray:
    share = (values.astype(np.float32) - low) / ((high - low) or 1)  # below 0 if a window's rescale slope is negative
    return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)
