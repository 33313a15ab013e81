"""PNGs of 16 bits with colour or alpha show what the same grey picture of 16 bits shows."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radsweep.data.images.codec import BlankError, PictureError, decode, decode_square, to_8_bit
from radsweep.data.images.deep_png import decode_deep
from radsweep.data.images.read import picture_of, read_picture

GREY = np.round(np.linspace(0, 1, 40 * 48) * 4095).astype(np.uint16).reshape(40, 48)  # 12 bits


def png16(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Encode [H, W] or [H, W, channels], uint16, as a PNG of 16 bits, which Pillow cannot write in colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = values.shape[:2]
    colours = {1: 0, 2: 4, 3: 2, 4: 6}[1 if values.ndim == 2 else values.shape[2]]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def channels(*values: np.ndarray | int) -> np.ndarray:
    return np.dstack([np.broadcast_to(np.asarray(value, np.uint16), GREY.shape) for value in values])


@pytest.mark.parametrize("size", [None, 32])
@pytest.mark.parametrize(
    "values",
    [channels(GREY, GREY, GREY), channels(GREY, 65535), channels(GREY, GREY, GREY, 65535), channels(GREY, 4095)],
    ids=["RGB", "grey with alpha", "RGB with alpha", "alpha of 12 bits"],
)
def test_a_radiograph_saved_as_colour_or_with_alpha_of_16_bits_is_not_black(
    values: np.ndarray, size: int | None
) -> None:
    plain, found = (picture_of(png16(each), size) for each in (GREY, values))
    assert found.pixels == plain.pixels
    assert found.data == picture_of(picture_of(png16(values)).data, size).data
    assert np.array_equal(decode(found.data), decode(plain.data))
    assert found.source == "PNG, 16 bits with colour or alpha"
    assert not found.low_contrast


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_colours_of_16_bits_become_8_bits_by_their_brightest_value(bits: int) -> None:
    share = GREY / 4095 * (2**bits - 1)
    colours = channels(share.round(), share.round() // 2, 0)
    shown = np.dstack([GREY / 4095 * 255, GREY / 4095 * 127.5, 0 * GREY])
    assert np.abs(decode(picture_of(png16(colours)).data) - shown).max() <= 2


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_byte_of_every_channel_is_kept(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 2**16, (40, 48, count), np.uint16)
    if count in (2, 4):
        values[..., -1] = 65535
    colours = values[..., :1] if count < 3 else values[..., :3]
    assert np.array_equal(decode_deep(png16(values)), colours[..., 0] if count < 3 else colours)


def test_transparency_of_16_bits_becomes_black() -> None:
    alpha = np.where(np.arange(48) < 24, 0, 65535)
    found = decode(picture_of(png16(channels(GREY, alpha))).data)
    assert found[:, :24].max() == 0
    assert np.array_equal(found[:, 24:], GREY[:, 24:])
    keyed = decode(png16(GREY, (b"tRNS", struct.pack(">H", 4095))))
    assert np.array_equal(keyed, np.where(GREY == 4095, 0, GREY))
    coloured = decode(png16(channels(GREY, GREY, GREY), (b"tRNS", struct.pack(">HHH", 4095, 4095, 4095))))
    assert np.array_equal(coloured, keyed)


def test_a_data_set_packed_with_such_files_is_read_right_in_training() -> None:
    wide = decode_square(png16(channels(GREY, GREY, GREY)), 32, 1)
    assert np.array_equal(wide, decode_square(png16(GREY), 32, 1))
    assert wide.max() > 250


def test_a_turned_picture_of_16_bits_with_alpha_is_stored_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = png16(np.dstack([np.rot90(GREY), np.full((48, 40), 65535, np.uint16)]), (b"eXIf", turned.tobytes()[6:]))
    assert np.array_equal(decode(picture_of(data).data), GREY)


def test_a_palette_with_transparent_entries_and_a_cmyk_jpeg_keep_their_greys(tmp_path: Path) -> None:
    grey = to_8_bit(GREY)
    palette = Image.fromarray(grey).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "palette.png", transparency=bytes([255] * 255 + [0]))
    Image.fromarray(grey).convert("RGB").convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    for name in ("palette.png", "cmyk.jpg"):
        found = decode(read_picture(tmp_path / name).data).astype(int)
        found = found.mean(axis=2) if found.ndim == 3 else found
        assert np.abs(found - grey)[grey < 250].max() <= 4, name


@pytest.mark.parametrize("bits", [8, 16])
def test_a_picture_that_is_transparent_throughout_is_not_called_blank(bits: int) -> None:
    file = io.BytesIO()
    Image.fromarray(np.dstack([to_8_bit(GREY), np.zeros(GREY.shape, np.uint8)])).save(file, "PNG")
    data = file.getvalue() if bits == 8 else png16(channels(GREY, 0))
    with pytest.raises(PictureError, match=r"^image is transparent throughout$"):
        picture_of(data)
    opaque = png16(channels(7, 65535))
    with pytest.raises(BlankError, match=r"^blank image$"):
        picture_of(opaque)


def test_a_damaged_png_of_16_bits_with_colour_has_a_reason() -> None:
    data = png16(channels(GREY, GREY // 2, GREY))
    with pytest.raises(PictureError, match=r"^image is cut off$"):
        picture_of(data[: len(data) // 2])
    with pytest.raises(PictureError, match=r"^image is damaged$"):
        picture_of(data[:60] + bytes(200) + data[260:])
