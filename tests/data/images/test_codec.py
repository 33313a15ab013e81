"""Decoding and making squares, compared with torchvision and with known pictures."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from radsweep.data.images import codec
from radsweep.data.images.codec import PictureError, decode, decode_square, to_square


def encoded(array: np.ndarray, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, format, **options)  # type: ignore[arg-type]
    return file.getvalue()


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (max(2, height // 16), max(2, width // 16)), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def test_grey_and_colour_pngs_decode_to_their_pixels() -> None:
    grey, colour = smooth(40, 30), np.dstack([smooth(40, 30, seed) for seed in range(3)])
    assert np.array_equal(decode(encoded(grey)), grey)
    assert np.array_equal(decode(encoded(colour)), colour)


def test_a_16_bit_png_keeps_its_values_and_becomes_the_8_bit_picture_it_came_from() -> None:
    grey = smooth(40, 30).copy()
    grey[0, 0] = 255
    for scale in (257, 4095 / 255):  # full range, and 12 bits in a 16-bit file
        wide = np.round(grey.astype(float) * scale).astype(np.uint16)
        decoded = decode(encoded(wide))
        assert decoded.dtype == np.uint16
        assert np.array_equal(decoded, wide)
        assert np.abs(codec.to_8_bit(decoded).astype(int) - grey).max() <= 1


def test_transparency_becomes_black() -> None:
    colour = np.full((4, 4, 4), 200, np.uint8)
    colour[..., 3] = [[0, 255, 128, 255]] * 4
    assert decode(encoded(colour))[0, :, 0].tolist() == [0, 200, 100, 200]
    grey = np.full((4, 4, 2), 200, np.uint8)
    grey[..., 1] = 0
    assert decode(encoded(grey)).shape == (4, 4)
    assert decode(encoded(grey)).max() == 0
    keyed = np.full((2, 2, 3), 9, np.uint8)
    assert decode(encoded(keyed, transparency=(9, 9, 9))).max() == 0


def test_palettes_and_cmyk_become_rgb() -> None:
    palette = Image.new("P", (3, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    file = io.BytesIO()
    palette.save(file, "PNG")
    assert decode(file.getvalue())[0, 0].tolist() == [10, 20, 30]
    cmyk = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(cmyk, "JPEG", quality=95)
    assert np.abs(decode(cmyk.getvalue())[0, 0].astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_seen_in_the_header(orientation: int) -> None:
    upright = smooth(48, 32)
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(np.ascontiguousarray(turn(upright)), exif=exif)
    assert np.array_equal(decode(data), upright)
    assert codec.shape_and_turn(data) == (48, 32, orientation != 1)


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (129, 128), (30, 20)])
def test_a_square_contains_the_whole_picture_as_resized_by_torchvision(shape: tuple[int, int]) -> None:
    import torch
    from torchvision.transforms.v2 import functional

    grey = smooth(*shape)
    square = to_square(grey, 64, 1)
    assert square.shape == (1, 64, 64)
    assert square.dtype == np.uint8
    height, width = (round(side * 64 / max(shape)) for side in shape)
    resized = functional.resize(torch.from_numpy(grey.copy())[None], [height, width], antialias=True)[0].numpy()
    top, left = (64 - height) // 2, (64 - width) // 2
    inside = square[0, top : top + height, left : left + width]
    assert np.abs(inside.astype(int) - resized).max() <= 1
    border = square[0].copy()
    border[top : top + height, left : left + width] = 0
    assert border.max() == 0


def test_one_channel_is_luma_and_three_repeat_a_grey_picture() -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 1] = 200
    assert abs(int(to_square(colour, 8, 1)[0, 0, 0]) - 0.587 * 200) <= 1
    assert (to_square(smooth(8, 8), 8, 3) == to_square(smooth(8, 8), 8, 1)).all()
    with pytest.raises(ValueError, match="channels is 2"):
        to_square(colour, 8, 2)


def test_decoding_a_large_jpeg_quickly_differs_little_from_its_full_decoding() -> None:
    data = encoded(smooth(2000, 1600), "JPEG", quality=95)
    quick, full = decode_square(data, 64, 1), to_square(decode(data), 64, 1)
    assert np.abs(quick.astype(int) - full).max() <= 4
    small = encoded(smooth(100, 80), "JPEG")
    assert np.array_equal(decode_square(small, 64, 3), to_square(decode(small), 64, 3))


def bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    side = (20_000).to_bytes(4, "big")
    header = chunk(b"IHDR", side + side + bytes([8, 0, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


PNG, JPEG = encoded(smooth(64, 64)), encoded(smooth(64, 64), "JPEG")


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", PNG[: len(PNG) // 2], JPEG[: len(JPEG) // 2], encoded(smooth(8, 8), "BMP"), bomb()],
    ids=["empty", "text", "half a PNG", "half a JPEG", "BMP", "bomb"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_incomplete_picture_is_a_picture_error(data: bytes) -> None:
    with pytest.raises(PictureError):
        decode(data)
