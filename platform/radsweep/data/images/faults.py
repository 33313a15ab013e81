"""Reasons why a picture cannot be packed, one for each cause, and what can be done about each."""

from __future__ import annotations

NOT_FOUND = "image file not found"
EMPTY = "image file is empty"
ZEROS = "image file contains only zeros"
NOT_OPENED = "image file cannot be opened"
TOO_MANY_BYTES = "image file is larger than 1 GiB"
TOO_MANY_PIXELS = "image is larger than 80,000,000 pixels"
CUT_OFF = "image is cut off"
DAMAGED = "image is damaged"
JPEG_KIND = "image is a JPEG of a kind that is not read (lossless, JPEG-LS or 12 bits)"
NOT_AN_IMAGE = "file is neither PNG, JPEG nor DICOM"
BLANK = "blank image"
TRANSPARENT = "image is transparent throughout"

NO_PIXELS = "DICOM without pixel data"
DICOM_CUT_OFF = "DICOM is cut off"
DICOM_DAMAGED = "DICOM pixel data cannot be decoded"
NO_SYNTAX = "DICOM is compressed and names no transfer syntax"
COMPRESSION = "DICOM compression is not read"
COLOURS = "DICOM photometric interpretation is not read"
BLANK_IN_WINDOW = "DICOM is blank in its own window or lookup table"
BLANK_FRAME = "first frame of the DICOM is blank"
_FORMAT, _OTHER_FILE = "image format is not read", "file is not an image"
_LACKS, _UNUSABLE = "DICOM lacks", "DICOM has an unusable"

_AGAIN = "copy or download it again"
_ADVICE = {
    EMPTY: _AGAIN,
    ZEROS: _AGAIN,
    NOT_OPENED: "check that it is a file that you may read",
    TOO_MANY_BYTES: "extract single images from it",
    TOO_MANY_PIXELS: "shrink it first",
    CUT_OFF: _AGAIN,
    DAMAGED: _AGAIN,
    JPEG_KIND: "convert it to PNG",
    NOT_AN_IMAGE: "give a PNG, JPEG or DICOM file",
    TRANSPARENT: "save it without its alpha channel",
    NO_PIXELS: "it may be a report, a presentation state or a DICOMDIR; name the image instead",
    DICOM_CUT_OFF: _AGAIN,
    DICOM_DAMAGED: "export it again, without compression",
    NO_SYNTAX: "export it again, with its file header",
    COMPRESSION: "export it again, without compression",
    COLOURS: "export it again as MONOCHROME2 or RGB",
    BLANK_IN_WINDOW: "remove the window or lookup table from the file, or convert the image to PNG",
    BLANK_FRAME: "extract the frame that is meant",
    _FORMAT: "convert it to PNG",
    _OTHER_FILE: _AGAIN,
    _LACKS: "export it again, or add the attribute",
    _UNUSABLE: "correct the attribute in the file",
}


def unread_format(name: str) -> str:
    """Return the reason for an image of a format that is known and not read, such as TIFF."""
    return f"{_FORMAT} ({name})"


def other_file(name: str) -> str:
    """Return the reason for a file that is known to be no image, such as an HTML page."""
    return f"{_OTHER_FILE} ({name})"


def lacks(attribute: str) -> str:
    """Return the reason for a DICOM file without an attribute that its picture needs. attribute: its keyword."""
    return f"{_LACKS} {attribute}"


def unusable(attribute: str) -> str:
    """Return the reason for a DICOM attribute whose value makes no sense. attribute: its keyword."""
    return f"{_UNUSABLE} {attribute}"


def advice(reason: str) -> str:
    """Return what can be done about a reason, or "" if that is not known.

    Example:
        >>> advice(unread_format("TIFF"))
        'convert it to PNG'
    """
    if reason in _ADVICE:
        return _ADVICE[reason]
    return next((_ADVICE[kind] for kind in (_FORMAT, _OTHER_FILE, _LACKS, _UNUSABLE) if reason.startswith(kind)), "")
