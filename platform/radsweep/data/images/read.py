"""Read a picture file of the source for storage: decode it once, remove its metadata, hash its pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from radsweep.data.images import codec, faults
from radsweep.data.images.codec import ENCODED_AS, BlankError, PictureError
from radsweep.data.images.deep_png import is_deep
from radsweep.data.images.dicom import read_dicom
from radsweep.data.images.formats import JPEG, is_dicom, other_kind, why_unread
from radsweep.data.images.grey_range import LOW_CONTRAST, grey_range
from radsweep.data.images.metadata import strip_metadata

_MAX_FILE_BYTES = 2**30


@dataclass(frozen=True)
class Picture:
    """A picture to store.

    Attributes:
        data: PNG or JPEG.
        pixels: hash of the source's decoded pixels, whatever its format.
        source: format of the source's file, such as "PNG, 16 bits".
        low_contrast: hardly any contrast is left (`grey_range.LOW_CONTRAST`).
    """

    data: bytes
    pixels: str
    source: str = ""
    low_contrast: bool = False


def read_picture(path: Path, longest: int | None = None) -> Picture:
    """Read a JPEG, PNG or DICOM file as `picture_of` does. Raises PictureError, BlankError."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise PictureError(faults.TOO_MANY_BYTES)
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PictureError(faults.NOT_FOUND) from error
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        raise PictureError(faults.NOT_OPENED) from error
    return picture_of(data, longest)


def picture_of(data: bytes, longest: int | None = None) -> Picture:
    """Read the picture in the bytes of a JPEG, PNG or DICOM file. Raises PictureError, BlankError.

    longest: larger pictures are shrunk to this longest side, in pixels. A PNG of 8 bits or of 16 bits of grey or a JPEG
    that needs no shrinking or turning is stored unchanged, without metadata. Any other JPEG is stored as JPEG (quality
    92), anything else as PNG.
    """
    kept = b""
    if data.startswith(ENCODED_AS):
        height, width, turned = codec.shape_and_turn(data)
        if not turned and (longest is None or max(height, width) <= longest) and not is_deep(data):
            kept, picture = _unchanged(data)
        else:
            picture = codec.open_plain(data)
        array, source = codec.array_of(picture), _source(data)
    elif not data or (not is_dicom(data) and other_kind(data)):
        raise PictureError(why_unread(data))
    else:
        array, frames = read_dicom(data)
        source = "DICOM, first of several frames" if frames > 1 else "DICOM"
        picture = Image.fromarray(array)
    if _blank(array):
        transparent = data.startswith(codec.PNG) and codec.is_transparent(data)
        raise PictureError(faults.TRANSPARENT) if transparent else BlankError(faults.BLANK)
    if array.ndim == 3 and (array[..., :1] == array[..., 1:]).all():
        array, picture = np.ascontiguousarray(array[..., 0]), picture.getchannel(0)
    pixels, low = _hash(array), grey_range(array) < LOW_CONTRAST
    if longest is not None and max(picture.size) > longest:
        if array.dtype != np.uint8:
            picture = Image.fromarray(codec.to_8_bit(array))
        picture = codec.shrink(picture, longest, quickly=True)
    jpeg = data.startswith(JPEG)
    return Picture(kept or codec.encode(picture, lossless=not jpeg), pixels, source, low)


def _unchanged(data: bytes) -> tuple[bytes, Image.Image]:
    """Return the file without metadata and its picture; b"" for a file that decoders read and this cannot shorten.

    Such a file, for example without its last marker, is encoded again, so that nothing in it is kept unseen.
    """
    try:
        kept = strip_metadata(data)
        return kept, codec.open_plain(kept)
    except PictureError:
        return b"", codec.open_plain(data)


def _source(data: bytes) -> str:
    if data.startswith(JPEG):
        return "JPEG"
    return f"PNG, {16 if data[24] == 16 else 8} bits{' with colour or alpha' if is_deep(data) else ''}"


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
