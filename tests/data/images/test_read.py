"""Only the pixels of a picture file are stored, nothing else in it."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radsweep.data.images.codec import MAX_PIXELS, BlankError, PictureError, decode
from radsweep.data.images.faults import TOO_MANY_PIXELS, advice
from radsweep.data.images.read import picture_of, read_picture

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


def broken_end(data: bytes, kind: str) -> bytes:
    """Break a sound file in a way that decoders forgive."""
    if kind == "PNG without an end":
        return data[: data.index(b"IEND") - 4]
    if kind == "PNG with a cut end":
        return data[:-5]
    quantisation = data.index(b"\xff\xdb")
    added = {"JPEG with bytes between segments": b"\1\2\3", "JPEG with zeros between segments": b"\xff\0\xff\0"}
    if kind in added:
        return data[:quantisation] + added[kind] + data[quantisation:]
    return data[:-2]  # JPEG without an end


@pytest.mark.parametrize(
    "kind",
    [
        "PNG without an end",
        "PNG with a cut end",
        "JPEG with bytes between segments",
        "JPEG with zeros between segments",
        "JPEG without an end",
    ],
)
def test_the_size_does_not_decide_whether_a_file_is_packed(tmp_path: Path, picture: Image.Image, kind: str) -> None:
    smooth = picture.resize((6, 4)).resize((60, 40), Image.Resampling.BICUBIC)
    path = save(tmp_path / ("a.png" if "PNG" in kind else "a.jpg"), smooth, exif=exif(1))
    whole = decode(path.read_bytes())
    path.write_bytes(broken_end(path.read_bytes(), kind))
    results = []
    for longest in (None, 60, 30):
        try:
            results.append(read_picture(path, longest))
        except PictureError as error:
            results.append(str(error))
    if kind == "JPEG without an end":  # Pillow refuses it, so it is dropped at every size
        assert results == ["image is cut off"] * 3
        return
    assert MARK.encode() not in b"".join(result.data for result in results)
    limit = 0 if "PNG" in kind else 3  # a JPEG is encoded again
    assert np.abs(decode(results[0].data).astype(int) - whole).mean() <= limit
    assert decode(results[2].data).shape == (20, 30, 3)
    assert len({result.pixels for result in results}) == 1


REASONS = {
    "image file is empty": b"",
    "image file contains only zeros": bytes(999),
    "image format is not read (TIFF)": b"II*\0" + bytes(99),
    "image format is not read (JPEG 2000)": b"\0\0\0\x0cjP  \r\n\x87\n",
    "image format is not read (WebP)": b"RIFF\x10\0\0\0WEBPVP8 ",
    "image format is not read (HEIF)": b"\0\0\0\x18ftypheic",
    "image format is not read (BMP)": b"BM" + bytes(99),
    "file is not an image (HTML page)": b"\n<!DOCTYPE html><p>Log in",
    "file is not an image (Git LFS pointer)": b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
    "file is not an image (resource file of a Mac)": b"\0\x05\x16\x07" + bytes(99),
    "file is neither PNG, JPEG nor DICOM": b"patient,notes\n1,2\n",
    "image is damaged": b"\x89PNG\n\x1a\n" + bytes(99),  # sent as text
    "image is cut off": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize("reason", REASONS)
def test_each_cause_has_its_own_reason_and_says_what_to_do(tmp_path: Path, reason: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(REASONS[reason])
    with pytest.raises(PictureError) as raised:
        read_picture(path)
    assert str(raised.value) == reason
    assert advice(reason)


def test_a_jpeg_of_12_bits_and_a_lossless_one_are_a_kind_that_is_not_read(tmp_path: Path, picture: Image.Image) -> None:
    data = save(tmp_path / "a.jpg", picture).read_bytes()
    start = data.index(b"\xff\xc0")
    for changed in (
        data[: start + 1] + b"\xc3" + data[start + 2 :],
        data[: start + 1] + b"\xf7" + data[start + 2 :],
        data[: start + 4] + b"\x0c" + data[start + 5 :],
    ):
        (tmp_path / "a.jpg").write_bytes(changed)
        with pytest.raises(PictureError, match="JPEG of a kind that is not read"):
            read_picture(tmp_path / "a.jpg")


def test_a_tiff_that_is_also_a_dicom_file_is_read_as_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"II*\0".ljust(128, b"\0") + b"DICM")
    with pytest.raises(PictureError, match="DICOM without pixel data"):
        read_picture(tmp_path / "a.dcm")


def test_the_reason_for_too_many_pixels_names_the_limit() -> None:
    assert f"{MAX_PIXELS:,}" in TOO_MANY_PIXELS


def test_files_that_cannot_be_opened_have_reasons(tmp_path: Path) -> None:
    for name, reason in (("missing.png", "not found"), ("", "cannot be opened"), ("a\0.png", "cannot be opened")):
        with pytest.raises(PictureError, match=reason):
            read_picture(tmp_path / name)


@pytest.mark.parametrize("side", [9_100, 20_000])  # Pillow warns of the first one and refuses the second
def test_too_many_pixels_are_a_reason_of_their_own(tmp_path: Path, side: int) -> None:
    data = bytearray(save(tmp_path / "a.png", Image.new("L", (9, 9))).read_bytes())
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(PictureError, match=TOO_MANY_PIXELS):
        picture_of(bytes(data))


def test_no_picture_with_changed_or_missing_bytes_ends_in_another_error(tmp_path: Path, picture: Image.Image) -> None:
    wide = Image.fromarray(np.arange(2400, dtype=np.uint16).reshape(40, 60) * 27)
    files = [
        save(tmp_path / "a.png", picture),
        save(tmp_path / "b.png", wide),
        save(tmp_path / "c.png", picture.quantize(16), transparency=3),
        save(tmp_path / "d.jpg", picture, exif=exif(6)),
        save(tmp_path / "e.jpg", picture.convert("CMYK"), progressive=True),
    ]
    random, reasons = np.random.default_rng(0), set[str]()
    for path in files:
        data = path.read_bytes()
        for number in range(60):
            damaged = bytearray(data)
            for at in random.integers(8, min(len(data), 700), 3):
                damaged[at] = random.integers(256)
            whole = bytes(damaged) if number % 2 else bytes(damaged[: random.integers(1, len(data))])
            for longest in (None, 30):
                try:
                    decode(picture_of(whole, longest).data)
                except PictureError as error:
                    reasons.add(str(error))
    assert len(reasons) >= 2
    assert all(advice(reason) for reason in reasons - {"blank image"})
