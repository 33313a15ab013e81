"""Remove metadata (EXIF, text, thumbnails) from PNG and JPEG files without encoding the picture again.

Sources: PNG specification, third edition, section 5; ITU-T T.81 annex B (JPEG), JFIF 1.02 (ITU-T T.871).
"""

from __future__ import annotations

import re
import struct

from radsweep.data.images import faults
from radsweep.data.images.codec import PictureError
from radsweep.data.images.formats import PNG

_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_SOI, _EOI, _SOS, _COM, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xEE
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


def strip_metadata(data: bytes) -> bytes:
    """Return the same picture, pixel for pixel. Raises PictureError.

    Orientation tags are removed too, so apply them first. Decoders forgive more than this does: a picture that is
    refused here may still be decoded and encoded again.
    """
    try:
        return _strip_png(data) if data.startswith(PNG) else _strip_jpeg(data)
    except (struct.error, IndexError) as error:
        raise PictureError(faults.CUT_OFF) from error


def _strip_png(data: bytes) -> bytes:
    kept, at = [PNG], len(PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise PictureError(faults.CUT_OFF)
        if kind in _PNG_CHUNKS:
            kept.append(data[at:end])
        if kind == b"IEND":
            return b"".join(kept)  # bytes after the end are dropped
        at = end


def _strip_jpeg(data: bytes) -> bytes:
    if data[:2] != b"\xff\xd8":
        raise PictureError(faults.NOT_AN_IMAGE)
    kept, at = [b"\xff\xd8"], 2
    while True:
        if data[at] != 0xFF:
            raise PictureError(faults.DAMAGED)
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = data[at + 1]
        if marker == _EOI:
            kept.append(b"\xff\xd9")
            return b"".join(kept)
        if marker in _STANDALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if marker == _APP0 and data[at + 4 : at + 9] == b"JFIF\x00" and _JFIF not in kept:
            kept.append(_JFIF)  # gives the colour coding; its thumbnail and density are dropped
        elif marker == _APP14 and data[at + 4 : at + 9] == b"Adobe":
            kept.append(b"\xff\xee\x00\x0e" + data[at + 4 : at + 16])  # likewise, 12 bytes long
        elif not (_APP0 <= marker <= 0xEF or marker == _COM):
            kept.append(data[at:end])
        if marker == _SOS:
            at = _end_of_scan(data, end)
            kept.append(data[end:at])
        else:
            at = end


def _end_of_scan(data: bytes, at: int) -> int:
    """Return the position of the next marker that is neither a stuffed zero nor a restart."""
    found = _MARKER.search(data, at)
    if not found:
        raise PictureError(faults.CUT_OFF)
    return found.start()
