"""PNGs of 16 bits with colour, alpha or a transparent value, of which Pillow keeps the high byte only.

Most are radiographs of 10 to 12 bits that a program saved as RGB or with an alpha channel, so their high bytes are
nearly black. Pillow decodes them twice here, once for the high and once for the low bytes.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from PIL import Image

_GREY, _RGB, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 4, 6  # colour types of the header (PNG specification, section 11.2.1)
_HEADER = slice(12, 29)  # of the file: "IHDR" and its 13 bytes, then their checksum


def is_deep(data: bytes) -> bool:
    """Return True for a PNG of 16 bits that has more than grey values."""
    if not data.startswith(b"\x89PNG") or len(data) < 33 or data[24] != 16:
        return False
    if data[25] == _GREY:
        return b"tRNS" in data[: max(0, data.find(b"IDAT"))]
    return data[25] in (_RGB, _GREY_ALPHA, _RGB_ALPHA)


def decode_deep(data: bytes) -> np.ndarray:
    """Return uint16 [H, W] or, unless all channels are equal, [H, W, 3], with transparency put on black.

    An alpha channel that is the same throughout is ignored, unless it is 0.

    Raises:
        Exception: broken bytes, of the kinds that Pillow raises.
    """
    values, transparent = _values(data)
    if data[25] in (_GREY_ALPHA, _RGB_ALPHA):
        values, alpha = values[..., :-1], values[..., -1:]
        if alpha.min() != alpha.max() or alpha.max() == 0:
            opaque = 2 ** int(alpha.max()).bit_length() - 1
            values = np.round(values * (alpha / max(1, opaque))).astype(np.uint16)
    elif transparent is not None:
        key = np.asarray(transparent).reshape(-1)
        values = np.where((values == key).all(axis=2, keepdims=True), np.uint16(0), values)
    return np.ascontiguousarray(values[..., 0] if (values == values[..., :1]).all() else values)


def _values(data: bytes) -> tuple[np.ndarray, Any]:
    """Return uint16 [H, W, channels] as stored, and the value that is transparent, or None."""
    if data[25] == _GREY_ALPHA:  # four bytes a pixel, as RGBA of 8 bits has
        as_rgba = data[:24] + bytes([8, _RGB_ALPHA]) + data[26:29]
        checksum = zlib.crc32(as_rgba[_HEADER]).to_bytes(4, "big")
        pairs = np.asarray(Image.open(io.BytesIO(as_rgba + checksum + data[33:]), formats=["PNG"]))
        return np.ascontiguousarray(pairs).view(">u2").astype(np.uint16), None
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        if data[25] == _GREY:
            return np.asarray(picture).astype(np.uint16)[..., None], picture.info.get("transparency")
        high = np.asarray(picture).astype(np.uint16)
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        # Read as little-endian, the byte that counts as the high one, and is kept, is the low one.
        picture.tile = [tile._replace(args=f"{picture.mode};16L") for tile in picture.tile]
        return high << 8 | np.asarray(picture), picture.info.get("transparency")
