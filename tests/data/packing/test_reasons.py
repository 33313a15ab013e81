"""Packing counts each cause by itself, says what to do about it, and reports pictures that came out nearly black."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.packing.pack import Packed, describe
from radsweep.data.packing.reading import read_here
from radsweep.data.packing.reading_ray import read_on_ray

Tree = Callable[..., Path]


def row(image: str, patient: str = "") -> dict[str, str]:
    return {"image": image, "patient": patient or image, "notes": f"Report of {image}."}


def pack(root: Path, image: str = "images/{image}", **more: object) -> Packed:
    settings = CsvSettings(image=image, report="notes", patient="patient")
    return pack_source("csv", settings, root, root.parent / "out", **more)  # type: ignore[arg-type]


def tiff() -> bytes:
    file = BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(file, "TIFF")
    return file.getvalue()


def hot(bits: int) -> bytes:
    """A PNG of 16 bits with values of `bits` and one pixel of 65,535."""
    values = np.random.default_rng(bits).integers(0, 2**bits, (24, 24), np.uint16)
    values[3, 3] = 65535
    file = BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def test_each_reason_is_counted_and_followed_by_what_to_do(tree: Tree, make_png: Callable[..., bytes]) -> None:
    images = {"1.png": 1, "2.png": b"", "3.tif": tiff(), "4.png": make_png(4)[:99], "5.jpg": b"<html>", "6.png": tiff()}
    packed = pack(tree([row(name) for name in images], images))
    assert packed.manifest.dropped == {
        "image format is not read (TIFF)": 2,
        "image file is empty": 1,
        "image is cut off": 1,
        "file is not an image (HTML page)": 1,
    }
    lines = describe(packed)
    assert "dropped, image format is not read (TIFF): 2 (rows 3, 6); convert it to PNG" in lines
    assert "dropped, image file is empty: 1 (rows 2); copy or download it again" in lines


@pytest.mark.parametrize("pattern", ["images/{patient}.*", "images/{patient}*", "im*/{patient}.*"])
def test_a_wildcard_that_only_matches_formats_that_are_not_read_says_so(tree: Tree, pattern: str) -> None:
    images = {"p1.png": 1, "p2.tif": tiff(), "p3.TIFF": tiff(), "p4.png": 4, "p4.tif": tiff(), "p5.txt": b"text"}
    packed = pack(tree([row(name, name) for name in ("p1", "p2", "p3", "p4", "p5")], images), pattern)
    assert packed.manifest.dropped == {"image format is not read (TIFF)": 2, "image file not found": 1}
    assert packed.manifest.notes == ("the table was read as utf-8",), "a TIFF beside a PNG is not lost"


@pytest.mark.parametrize("reader", [read_here, read_on_ray])
def test_pictures_with_hardly_any_contrast_are_counted_by_their_format(
    ray_session: None, tmp_path: Path, tree: Tree, reader: object
) -> None:
    dark = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (24, 24), np.uint8)).save(dark, "PNG")
    images = {"1.png": 1, "2.png": hot(12), "3.png": hot(10), "4.png": hot(16), "5.png": dark.getvalue()}
    packed = pack(tree([row(name) for name in images], images), reader=reader)
    assert packed.manifest.source_formats == {"PNG, 16 bits": 3, "PNG, 8 bits": 2}
    assert packed.manifest.low_contrast == {"PNG, 16 bits": 2, "PNG, 8 bits": 1}
    lines = describe(packed)
    assert "hardly any contrast: 2 of 3 images (PNG, 16 bits)" in lines
    assert any("rows 2, 3, 5" in line and "radsweep inspect" in line for line in lines)
    with (tmp_path / "out" / "private" / "low_contrast.csv").open(encoding="utf-8") as file:
        assert [line["row"] for line in csv.DictReader(file)] == ["2", "3", "5"]


def test_sound_pictures_give_no_line_about_contrast(tree: Tree) -> None:
    packed = pack(tree([row("1.png"), row("2.png")], {"1.png": 1, "2.png": 2}))
    assert packed.manifest.low_contrast == {}
    assert "contrast" not in " ".join(describe(packed))


def test_a_packed_row_that_lost_one_of_its_images_is_reported(tree: Tree, make_png: Callable[..., bytes]) -> None:
    images = {"p1.1.png": 1, "p1.2.png": make_png(2)[:99], "p2.1.png": 3}
    packed = pack(tree([row("p1", "p1"), row("p2", "p2")], images), "images/{patient}.*")
    assert packed.packed == 2
    assert "packed without one of its images, image is cut off: 1" in describe(packed)
