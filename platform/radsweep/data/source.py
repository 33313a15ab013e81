"""A picture file of the source, made ready to be stored: decoded once, its metadata gone, its pixels hashed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from radsweep.data import pictures
from radsweep.data.dicom import decode_dicom
from radsweep.data.metadata import strip_metadata
from radsweep.data.pictures import BlankError, PictureError
from radsweep.data.shards import ENCODED_AS

_MAX_FILE_BYTES = 2**30


@dataclass(frozen=True)
class Picture:
    """`data`: PNG or JPEG to store; `pixels`: hash of the source's decoded pixels, whatever its format."""

    data: bytes
    pixels: str


def read_picture(path: Path, longest: int | None = None) -> Picture:
    """Read a JPEG, PNG or DICOM file. Raises PictureError, BlankError.

    longest: larger pictures are shrunk to this longest side. An 8-bit or 16-bit PNG and a JPEG that need neither
    shrinking nor turning are stored as they are, metadata removed; a JPEG is otherwise stored as JPEG (quality
    92), anything else as PNG.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise PictureError("larger than 1 GiB")
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror}") from error
    if data.startswith(ENCODED_AS):
        turned = pictures.shape_and_turn(data)[2]
        kept = None if turned else strip_metadata(data)
        array = pictures.decode(kept or data)
    else:
        kept, array = None, decode_dicom(data)
    if array.size == 0 or array.min() == array.max():
        raise BlankError("one value throughout")
    pixels = _hash(array)
    if longest is not None and max(array.shape[:2]) > longest:
        kept, array = None, np.asarray(pictures.shrink(Image.fromarray(pictures.to_8_bit(array)), longest))
    jpeg = data.startswith(b"\xff\xd8")
    return Picture(kept or pictures.encode(_grey_if_grey(array), lossless=not jpeg), pixels)


def _hash(array: np.ndarray) -> str:
    grey = np.ascontiguousarray(_grey_if_grey(array))
    return hashlib.sha256(f"{grey.shape}{grey.dtype}".encode() + grey.tobytes()).hexdigest()


def _grey_if_grey(array: np.ndarray) -> np.ndarray:
    same = array.ndim == 3 and (array[..., :1] == array[..., 1:]).all()
    return array[..., 0] if same else array
