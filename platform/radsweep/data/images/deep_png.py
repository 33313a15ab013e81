"""PNGs of 16 bits with colour, alpha or a transparent value, of which Pillow keeps the high byte only.

Most are radiographs of 10 to 12 bits that a program saved as RGB or with an alpha channel, so their high bytes are
nearly black. They are decoded by torchvision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_GREY, _COLOURED = 0, (2, 4, 6)  # colour types of the header: grey; RGB, grey with alpha, RGB with alpha


def is_deep(data: bytes) -> bool:
    """Return True for a PNG of 16 bits that has more than grey values."""
    if not data.startswith(b"\x89PNG") or len(data) < 26 or data[24] != 16:
        return False
    return data[25] in _COLOURED or (data[25] == _GREY and b"tRNS" in data[: max(0, data.find(b"IDAT"))])


def decode_deep(data: bytes, transparent: Any = None) -> np.ndarray:
    """Return uint16 [H, W] or, unless all channels are equal, [H, W, 3], with transparency put on black.

    An alpha channel that is the same throughout is ignored, unless it is 0.

    transparent: the value that is transparent, or one for each channel; Pillow's `info["transparency"]`.

    Raises:
        RuntimeError: broken bytes.
    """
    import torch  # here, since it takes seconds and such PNGs are rare
    from torchvision.io import ImageReadMode, decode_png

    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    values = decode_png(encoded, ImageReadMode.UNCHANGED).numpy().transpose(1, 2, 0).astype(np.uint16, copy=False)
    if values.shape[2] in (2, 4):
        values, alpha = values[..., :-1], values[..., -1:]
        if alpha.min() != alpha.max() or alpha.max() == 0:
            opaque = 2 ** int(alpha.max()).bit_length() - 1
            values = np.round(values * (alpha / max(1, opaque))).astype(np.uint16)
    elif transparent is not None:
        key = np.asarray(transparent).reshape(-1)
        values = np.where((values == key).all(axis=2, keepdims=True), np.uint16(0), values)
    if (values == values[..., :1]).all():
        return np.ascontiguousarray(values[..., 0])
    return np.ascontiguousarray(values)
