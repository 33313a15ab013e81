"""Only the pixels of a picture file are stored, nothing else in it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radsweep.data.images.codec import BlankError, PictureError, decode
from radsweep.data.images.read import read_picture

MARK = "DOE^JANE"


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010E], tags[0x0112] = MARK, orientation
    return tags


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_upright_picture_keeps_its_exact_pixels_and_loses_its_texts(
    tmp_path: Path, picture: Image.Image, name: str
) -> None:
    path = save(tmp_path / name, picture, exif=exif(1))
    assert MARK.encode() in path.read_bytes()
    stored = read_picture(path).data
    assert MARK.encode() not in stored
    assert np.array_equal(decode(stored), decode(path.read_bytes()))


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_turned_picture_is_stored_upright(tmp_path: Path, picture: Image.Image, name: str) -> None:
    smooth = picture.resize((6, 4)).resize((60, 40), Image.Resampling.BICUBIC)
    path = save(tmp_path / name, smooth, exif=exif(6), **({"quality": 95} if name == "a.jpg" else {}))
    stored = read_picture(path).data
    assert MARK.encode() not in stored
    with Image.open(io.BytesIO(stored)) as upright:
        assert upright.size == (40, 60)
        assert not upright.getexif()
    assert np.abs(decode(stored).astype(int) - decode(path.read_bytes())).mean() < (3 if name == "a.jpg" else 1e-9)


def test_equal_pixels_have_equal_hashes_in_any_format_and_other_pixels_do_not(
    tmp_path: Path, picture: Image.Image
) -> None:
    grey = picture.convert("L")
    paths = [
        save(tmp_path / "grey.png", grey),
        save(tmp_path / "rgb.png", grey.convert("RGB")),
        save(tmp_path / "palette.png", grey.convert("P")),
        save(tmp_path / "turned.png", grey.transpose(Image.Transpose.ROTATE_90), exif=exif(6)),
    ]
    assert len({read_picture(path).pixels for path in paths}) == 1
    other = np.asarray(grey).copy()
    other[0, 0] ^= 1
    path = save(tmp_path / "other.png", Image.fromarray(other))
    assert read_picture(path).pixels != read_picture(paths[0]).pixels
    assert read_picture(paths[0], longest=30).pixels == read_picture(paths[0]).pixels


def test_a_large_picture_is_shrunk_and_keeps_its_format(tmp_path: Path, picture: Image.Image) -> None:
    for name, start in (("a.jpg", b"\xff\xd8"), ("a.png", b"\x89PNG")):
        path = save(tmp_path / name, picture)
        stored = read_picture(path, longest=30).data
        assert stored.startswith(start)
        assert decode(stored).shape == (20, 30, 3)
        assert decode(read_picture(path, longest=60).data).shape == (40, 60, 3)


def test_shrinking_quickly_changes_less_than_storing_as_jpeg(tmp_path: Path) -> None:
    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 256, (125, 100), np.uint8))
    large = coarse.resize((1600, 2000), Image.Resampling.BICUBIC)
    stored = decode(read_picture(save(tmp_path / "a.png", large), longest=224).data)
    slow = large.resize((179, 224), Image.Resampling.BILINEAR)
    jpeg = Image.open(save(tmp_path / "slow.jpg", slow, quality=92))
    quick_error, jpeg_error = (np.abs(np.asarray(other, int) - np.asarray(slow)).mean() for other in (stored, jpeg))
    assert 0 < quick_error < jpeg_error < 3


def test_a_16_bit_png_stays_16_bit(tmp_path: Path) -> None:
    wide = np.arange(2400, dtype=np.uint16).reshape(40, 60) * 27
    path = save(tmp_path / "a.png", Image.fromarray(wide))
    assert np.array_equal(decode(read_picture(path).data), wide)


def test_a_blank_picture_and_a_missing_file_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(BlankError):
        read_picture(save(tmp_path / "a.png", Image.new("L", (9, 9), 3)))
    with pytest.raises(PictureError, match="not found"):
        read_picture(tmp_path / "missing.png")
