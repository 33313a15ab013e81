"""Decode the picture of a DICOM file as a viewer shows it. Nothing of the header is returned or named in an error.

Source: DICOM PS3.3 C.7.6.3 (pixels, photometric interpretation), C.7.6.16.2 (functional groups: attributes of single
frames in enhanced objects). `dicom_header` reads the attributes, `grey_levels` applies them.
"""

from __future__ import annotations

import io
import logging
import warnings

import numpy as np

from radsweep.data.images import faults
from radsweep.data.images.codec import MAX_PIXELS, BlankError, PictureError, to_8_bit
from radsweep.data.images.dicom_header import NEEDED, PALETTE, DicomHeader
from radsweep.data.images.formats import is_dicom, may_be_bare_dicom, why_unread

_PIXEL_TAGS = (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10")  # in either byte order


def decode_dicom(data: bytes) -> np.ndarray:
    """Return the picture of `read_dicom` only."""
    return read_dicom(data)[0]


def read_dicom(data: bytes) -> tuple[np.ndarray, int]:
    """Return uint8 [H, W] or [H, W, 3], the first frame as its header says that it is shown, and how many there are.

    Raises:
        PictureError: the picture is missing, is blank or cannot be decoded; the text is one of `faults`.
    """
    _silence()
    try:
        header = _read(data)
        return _shown(header), header.frames
    except PictureError:
        raise
    except Exception:  # pydicom and its plugins raise many kinds of errors, whose messages may quote the header
        raise PictureError(faults.DICOM_DAMAGED) from None


def _shown(header: DicomHeader) -> np.ndarray:
    from pydicom.pixels import apply_color_lut

    photometric = header.photometric
    if photometric == PALETTE:
        return to_8_bit(apply_color_lut(_pixels(header), header.dataset))
    if photometric.startswith("MONOCHROME"):
        if header.dataset.SamplesPerPixel != 1:
            raise PictureError(faults.COLOURS)
        scale = header.grey_scale  # before decoding, which takes longer
        stored = header.aligned(_pixels(header))
        levels = scale.levels(stored)
        if levels.size and levels.min() == levels.max():
            raise BlankError(_why_blank(header, stored))
        return levels
    pixels = _pixels(header)
    if pixels.ndim != 3:
        raise PictureError(faults.COLOURS)
    return to_8_bit(np.clip(pixels, 0, None))


def _read(data: bytes) -> DicomHeader:
    import pydicom

    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=NEEDED)
    except Exception as error:
        if not is_dicom(data):
            raise PictureError(why_unread(data)) from None
        raise PictureError(faults.DICOM_CUT_OFF if isinstance(error, EOFError) else faults.DICOM_DAMAGED) from None
    if not is_dicom(data) and "Rows" not in dataset and not _begins_pixels(data):
        raise PictureError(faults.NO_PIXELS if may_be_bare_dicom(data) else why_unread(data))
    header = DicomHeader(dataset)
    if not header.has_pixels and _begins_pixels(data):
        raise PictureError(faults.DICOM_CUT_OFF)
    header.check()
    if dataset.Rows * dataset.Columns > MAX_PIXELS:
        raise PictureError(faults.TOO_MANY_PIXELS)
    return header


def _begins_pixels(data: bytes) -> bool:
    """Return True if a picture's pixel data begin, which pydicom leaves out, or all elements, if they do not end."""
    import pydicom

    if not any(tag in data for tag in _PIXEL_TAGS):
        return False
    return "Rows" in pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=["Rows"], stop_before_pixels=True)


def _pixels(header: DicomHeader) -> np.ndarray:
    """Return the values of the first frame, colours as RGB."""
    from pydicom.pixels import get_decoder, pixel_array

    syntax = header.transfer_syntax
    try:
        readable = get_decoder(syntax).is_available
    except NotImplementedError:  # videos, and syntaxes that nobody knows
        readable = False
    if not readable:
        raise PictureError(faults.COMPRESSION)
    header.settle(syntax)
    return pixel_array(header.dataset, index=0)


def _why_blank(header: DicomHeader, stored: np.ndarray) -> str:
    if stored.min() != stored.max():
        return faults.BLANK_IN_WINDOW
    return faults.BLANK_FRAME if header.frames > 1 else faults.BLANK


def _silence() -> None:
    """Silence warnings of pydicom, which may quote the header.

    This is done at every call, since others reset the filters and pydicom resets its level.
    """
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
