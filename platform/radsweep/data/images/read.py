"""Read a picture file of the source for storage: decode it once, remove its metadata, hash its pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from radsweep.data.images import codec
from radsweep.data.images.codec import ENCODED_AS, BlankError, PictureError
from radsweep.data.images.dicom import decode_dicom
from radsweep.data.images.metadata import strip_metadata

_MAX_FILE_BYTES = 2**30


@dataclass(frozen=True)
class Picture:
    """A picture to store. data: PNG or JPEG. pixels: hash of the source's decoded pixels, whatever its format."""

    data: bytes
    pixels: str


def read_picture(path: Path, longest: int | None = None) -> Picture:
    """Read a JPEG, PNG or DICOM file as `picture_of` does. Raises PictureError, BlankError."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise PictureError("larger than 1 GiB")
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror}") from error
    return picture_of(data, longest)


def picture_of(data: bytes, longest: int | None = None) -> Picture:
    """Read the picture in the bytes of a JPEG, PNG or DICOM file. Raises PictureError, BlankError.

    longest: larger pictures are shrunk to this longest side, in pixels. A PNG of 8 or 16 bits or a JPEG that needs no
    shrinking or turning is stored unchanged, without metadata. Any other JPEG is stored as JPEG (quality 92), anything
    else as PNG.
    """
    kept = b""
    if data.startswith(ENCODED_AS):
        height, width, turned = codec.shape_and_turn(data)
        if not turned and (longest is None or max(height, width) <= longest):
            kept = strip_metadata(data)
        picture = codec.open_plain(kept or data)
        array = codec.array_of(picture)
    else:
        array = decode_dicom(data)
        picture = Image.fromarray(array)
    if _blank(array):
        raise BlankError("one value throughout")
    if array.ndim == 3 and (array[..., :1] == array[..., 1:]).all():
        array, picture = np.ascontiguousarray(array[..., 0]), picture.getchannel(0)
    pixels = _hash(array)
    if longest is not None and max(picture.size) > longest:
        if array.dtype != np.uint8:
            picture = Image.fromarray(codec.to_8_bit(array))
        picture = codec.shrink(picture, longest, quickly=True)
    jpeg = data.startswith(b"\xff\xd8")
    return Picture(kept or codec.encode(picture, lossless=not jpeg), pixels)


def _blank(array: np.ndarray) -> bool:
    """Return True if all values are equal or there are none; for most pictures a few values suffice to see that."""
    return array.size == 0 or all(part.min() == part.max() for part in (array[::16, ::16], array))


def _hash(array: np.ndarray) -> str:
    """Hash shape, type and values of the full picture.

    A shrunken or draft decoding would be faster, but more pictures would look equal.
    """
    found = hashlib.sha256(f"{array.shape}{array.dtype}".encode())
    found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
