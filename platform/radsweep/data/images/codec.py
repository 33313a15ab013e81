"""Encoded pictures (PNG, JPEG) to arrays, and to the square that a model takes.

Policies, the same at pack time and in training:

- EXIF orientation is applied, transparency is put on black, palettes and CMYK become RGB, and of an animation only
  the first frame is used.
- PNGs of 16 bits with colour or alpha: see `deep_png`. Colours become 8 bits, equal channels stay 16 bits of grey.
- `to_8_bit` turns 16 bits into 8. The scale is the smallest power of two that holds the brightest value, so a 12-bit
  picture in a 16-bit file does not become black, and no contrast is stretched.
- A square keeps the whole picture, since findings may be at its borders. The longest side becomes `size` (antialiased
  bilinear), the picture is centred, and the rest is black.
"""

from __future__ import annotations

import io
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from radsweep.data.images import faults
from radsweep.data.images.deep_png import decode_deep, is_deep
from radsweep.data.images.formats import JPEG, PNG, why_unread

MAX_PIXELS = 80_000_000  # a radiograph has 5 to 25 million; more is a decompression bomb
FORMATS = ("PNG", "JPEG")
_ORIENTATION = 0x0112
_PNG_TEXTS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # chunks that may hold EXIF or XMP
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such pictures are dropped and counted
_WIDE = ("I;16", "I;16B", "I;16L", "I;16N", "I")
ENCODED_AS = (PNG, JPEG)


class PictureError(Exception):
    """A picture that cannot be read. Its text is the reason that is counted, one of `faults`."""


class BlankError(PictureError):
    """A picture of one value throughout, as stored or as its header says that it is shown."""


def decode(data: bytes) -> np.ndarray:
    """Return the picture as stored: [H, W] or [H, W, 3], uint8 or (only grey) uint16. Raises PictureError."""
    return array_of(open_plain(data))


def open_plain(data: bytes) -> Image.Image:
    """Open the picture whose values `decode` returns, in mode L, RGB or a wide grey mode. Raises PictureError."""
    return _plain(_open(data))


def decode_square(data: bytes, size: int, channels: int) -> np.ndarray:
    """Decode a picture to uint8 [channels, size, size]; channels is 1 (luma) or 3. Raises PictureError.

    A JPEG much larger than `size` is decoded at a half, quarter or eighth (at least twice `size`). That is faster and
    differs by a few grey levels from the full decoding.
    """
    return to_square(decode_small(data, size, channels), size, channels)


def decode_small(data: bytes, size: int, channels: int) -> np.ndarray:
    """Decode a picture as `decode` does, but a much larger JPEG at a part of its size. Raises PictureError.

    size: half the longest side that is wanted at least. channels: 1 makes a JPEG that is decoded at a part grey.
    """
    return array_of(_plain(_open(data, size, channels)))


def to_square(image: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Convert [H, W] or [H, W, 3], uint8 or uint16, to uint8 [channels, size, size] as described in the module.

    Raises:
        ValueError: channels is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}; expected 1 or 3")
    picture = Image.fromarray(to_8_bit(image)).convert("L" if channels == 1 else "RGB")
    picture = shrink(picture, size) if max(picture.size) >= size else _resize(picture, size)
    square = Image.new(picture.mode, (size, size))
    square.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
    array = np.asarray(square)
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def to_8_bit(image: np.ndarray, bits: int | None = None) -> np.ndarray:
    """Return uint8 unchanged, and uint16 scaled from 0 .. 2^n - 1.

    bits: n; if None, the bits that the maximum needs, at least 8.
    """
    if image.dtype == np.uint8:
        return image
    bits = bits or max(8, int(image.max(initial=0)).bit_length())
    return np.round(image.astype(np.float32) * (255 / (2**bits - 1))).astype(np.uint8)


def shrink(picture: Image.Image, longest: int, *, quickly: bool = False) -> Image.Image:
    """Return a picture whose longest side is at most `longest`.

    quickly: if the scale is a third or less, average blocks of pixels first. On average this changes less than storing
    the picture as JPEG.
    """
    return _resize(picture, longest, 1.5 if quickly else None) if max(picture.size) > longest else picture


def encode(picture: Image.Image, *, lossless: bool) -> bytes:
    """Encode a picture as PNG, or as JPEG at quality 92 without colour subsampling."""
    file = io.BytesIO()
    if lossless:  # only run lengths: radiographs get as small as with zlib's search for repeats, in half the time
        picture.save(file, "PNG", compress_type=zlib.Z_RLE)
    else:
        picture.save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue()


def shape_and_turn(data: bytes) -> tuple[int, int, bool]:
    """Return height and width as from `decode`, and True if EXIF turns the picture. Only the header is read."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.format == "PNG" and not any(kind in data for kind in _PNG_TEXTS):
                orientation = 1  # to look for it, Pillow would decode the whole picture
            else:
                orientation = picture.getexif().get(_ORIENTATION, 1)
            height, width = picture.height, picture.width
    except Exception as error:
        raise PictureError(_reason(data, error)) from error
    return (width, height, True) if orientation >= 5 else (height, width, orientation != 1)


def is_transparent(data: bytes) -> bool:
    """Return True if every pixel of a PNG is transparent."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return picture.has_transparency_data and picture.convert("RGBA").getchannel("A").getextrema() == (0, 0)


def array_of(picture: Image.Image) -> np.ndarray:
    """Return the read-only values of a picture of `open_plain`: uint8 [H, W] or [H, W, 3], or uint16 [H, W]."""
    if picture.mode in _WIDE:
        return np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)
    if picture.mode == "L":
        with suppress(ValueError):  # the picture's own memory, unless that is in pieces (16 million pixels or more)
            return pa.array(picture).to_numpy().reshape(picture.height, picture.width)
    return np.asarray(picture)


def _plain(picture: Image.Image) -> Image.Image:
    """Convert to mode L, RGB or a wide grey mode, without transparency, palettes and other colour spaces."""
    if picture.mode in _WIDE:
        return picture
    if picture.has_transparency_data:
        grey = picture.mode in ("L", "LA", "La")
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, picture.convert("RGBA")).convert("L" if grey else "RGB")
    if picture.mode not in ("L", "RGB"):
        return picture.convert("L" if picture.mode == "1" else "RGB")
    return picture


def _open(data: bytes, size: int | None = None, channels: int = 3) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise PictureError(faults.TOO_MANY_PIXELS)
        if size and picture.mode in ("L", "RGB"):
            picture.draft("L" if channels == 1 else picture.mode, (2 * size, 2 * size))
        picture.decodermaxblock = max(
            picture.decodermaxblock, len(data)
        )  # all at once, since after a pause a row is decoded again
        picture.load()
        plain = _deep(data, picture) if is_deep(data) else picture
        ImageOps.exif_transpose(plain, in_place=True)
        return plain
    except PictureError:
        raise
    except Exception as error:  # broken bytes lead decoders to errors of many kinds
        raise PictureError(_reason(data, error)) from error


def _reason(data: bytes, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):  # of Pillow, for twice as many pixels
        return faults.TOO_MANY_PIXELS
    return why_unread(data)


def _deep(data: bytes, opened: Image.Image) -> Image.Image:
    """Return grey values in mode I;16, or colours of 8 bits, of a PNG that Pillow reads at 8 bits."""
    values = decode_deep(data)
    picture = Image.fromarray(values if values.ndim == 2 else to_8_bit(values))
    picture.info.update({name: value for name, value in opened.info.items() if name != "transparency"})  # orientation
    return picture


def _resize(picture: Image.Image, longest: int, reducing_gap: float | None = None) -> Image.Image:
    scale = longest / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=reducing_gap)
