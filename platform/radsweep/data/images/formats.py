"""Recognise a file by its first bytes, and say why one that is not decoded is not.

Sources: PNG specification, third edition, section 5; ITU-T T.81 table B.1 (JPEG frame headers); DICOM PS3.10 7.1.
"""

from __future__ import annotations

import struct

from radsweep.data.images import faults

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_IMAGES = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"NRRD", "NRRD"),
    (b"\x5c\x01\0\0", "NIfTI"),
    (b"\x93NUMPY", "NumPy"),
    (b"8BPS", "Photoshop"),
)
_OTHER_FILES = (
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"\0\x05\x16\x07", "resource file of a Mac"),
    (b"version https://git-lfs", "Git LFS pointer"),
    (b"<?xml", "XML"),
)
_SIZES = {0xC0, 0xC1, 0xC2}  # frames that decoders read: baseline, extended, progressive
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_BARE_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")  # first group of a DICOM data set, in either byte order


def is_dicom(data: bytes) -> bool:
    """Return True for a DICOM file with its preamble."""
    return data[128:132] == b"DICM"


def may_be_bare_dicom(data: bytes) -> bool:
    """Return True if a DICOM data set without preamble may begin here."""
    return data[:2] in _BARE_GROUPS


def why_unread(data: bytes) -> str:
    """Return the reason why bytes that no decoder accepts are not a picture."""
    if not data:
        return faults.EMPTY
    if data.startswith(PNG):
        return faults.DAMAGED if _png_is_whole(data) else faults.CUT_OFF
    if data.startswith(JPEG):
        if _jpeg_kind_is_unread(data):
            return faults.JPEG_KIND
        return faults.DAMAGED if data.rstrip(b"\0\r\n").endswith(b"\xff\xd9") else faults.CUT_OFF
    if data.startswith(b"\x89PNG"):  # sent as text: line ends were changed
        return faults.DAMAGED
    return other_kind(data) or faults.NOT_AN_IMAGE


def other_kind(data: bytes) -> str:
    """Return the reason for a format that is recognised and not read, or ""."""
    for start, name in _IMAGES:
        if data.startswith(start):
            return faults.unread_format(name)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return faults.unread_format("WebP")
    if data[4:8] == b"ftyp":
        return faults.unread_format("AVIF" if data[8:11] == b"avi" else "HEIF")
    for start, name in _OTHER_FILES:
        if data.startswith(start):
            return faults.other_file(name)
    if data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower().startswith((b"<html", b"<!doctype")):
        return faults.other_file("HTML page")
    return faults.ZEROS if data and data.count(0) == len(data) else ""


def _png_is_whole(data: bytes) -> bool:
    at = len(PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if kind == b"IEND":
            return at <= len(data)
    return False


def _jpeg_kind_is_unread(data: bytes) -> bool:
    """Return True if the frame header names another process than decoders read, or other than 8 bits."""
    at = 2
    while at + 5 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            return marker not in _SIZES or data[at + 4] != 8
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False
