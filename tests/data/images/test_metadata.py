"""Only the picture is left of a file, and it is unchanged."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from radsweep.data.images.codec import PictureError, decode
from radsweep.data.images.metadata import strip_metadata

MARK = "DOE^JANE"


def marked_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = MARK
    return exif


def picture(mode: str) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, bands), np.uint8)
    return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(noise[..., band])) for band in range(bands)])


JPEGS = [
    (mode, options)
    for mode in ("L", "RGB", "CMYK")
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 1})
]


@pytest.mark.parametrize(("mode", "options"), [*JPEGS, ("RGB", {"keep_rgb": True})])
def test_a_jpeg_only_loses_its_texts(mode: str, options: dict[str, object]) -> None:
    thumbnail = b"\xff\xd8 thumbnail of " + MARK.encode() + b"\xff\xd9"
    file = io.BytesIO()
    picture(mode).save(
        file, "JPEG", exif=marked_exif(), comment=MARK.encode(), icc_profile=MARK.encode() * 50, **options
    )
    data = file.getvalue() + thumbnail
    assert MARK.encode() in data
    stripped = strip_metadata(data)
    assert MARK.encode() not in stripped
    assert stripped.endswith(b"\xff\xd9")
    assert np.array_equal(decode(stripped), decode(data))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_a_png_only_loses_its_texts(mode: str) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("PatientName", MARK)
    text.add_itxt("Comment", MARK, zip=False)
    file = io.BytesIO()
    source = picture("RGB").quantize(16) if mode == "P" else picture(mode)
    source.save(file, "PNG", pnginfo=text, exif=marked_exif())
    data = file.getvalue() + MARK.encode()
    stripped = strip_metadata(data)
    assert MARK.encode() not in stripped
    assert np.array_equal(decode(stripped), decode(data))


def test_a_cut_off_file_is_refused() -> None:
    for format in ("PNG", "JPEG"):
        file = io.BytesIO()
        picture("L").save(file, format)
        data = file.getvalue()
        for length in (3, 10, len(data) // 2, len(data) - 2):
            with pytest.raises(PictureError):
                strip_metadata(data[:length])
