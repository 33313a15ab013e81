"""A contact sheet shows small pictures, those with hardly any contrast first, and names nobody."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from rich.console import Console

import radsweep as rs
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.inspection import contact_sheet
from radsweep.data.inspection.contact_sheet import write_contact_sheet
from radsweep.data.inspection.inspection import inspect_dataset
from radsweep.data.inspection.table import inspection_tables
from radsweep.errors import InputError

SECRET = "Secretword"


def grey(top: int, bits: int = 8, side: int = 300) -> bytes:
    """A PNG of noise from 0 to `top`; with 16 bits, one pixel is 65,535."""
    values = np.random.default_rng(top).integers(0, top + 1, (side, side), np.uint16)
    if bits == 16:
        values[0, 0] = 65535
    file = io.BytesIO()
    PillowImage.fromarray(values if bits == 16 else values.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def packed(tmp_path: Path, tree: Callable[..., Path]) -> Path:
    images = {f"{SECRET}{top}.png": grey(top) for top in (255, 254, 253, 20, 9, 15)} | {"hot.png": grey(4095, 16)}
    rows = [{"image": name, "patient": f"{SECRET} {name}", "notes": f"{SECRET} in {name}."} for name in images]
    settings = CsvSettings(image="images/{image}", report="notes", patient="patient", name="<b>mine</b>")
    pack_source("csv", settings, tree(rows, images), tmp_path / "out")
    return tmp_path / "out"


def pictures_of(page: str) -> list[PillowImage.Image]:
    found = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    return [PillowImage.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_pictures_with_hardly_any_contrast_come_first_and_a_sample_of_all_follows(packed: Path, tmp_path: Path) -> None:
    file = tmp_path / "sheets" / "pictures.html"
    assert write_contact_sheet(packed, file) == 4
    page = file.read_text(encoding="utf-8")
    pictures = pictures_of(page)
    assert len(pictures) == 4 + 7
    assert max(np.median(np.asarray(picture)) for picture in pictures[:4]) <= 15
    levels = [float(found) for found in re.findall(r"(\d+) grey levels<", page)]
    assert levels[:4] == sorted(levels[:4])
    assert {max(picture.size) for picture in pictures} == {160}
    assert "4 of 7 pictures have hardly any contrast" in page
    assert "PNG of 16 bits: 1" in page


def test_the_sheet_names_nobody_loads_nothing_and_only_its_owner_can_read_it(packed: Path, tmp_path: Path) -> None:
    file = tmp_path / "pictures.html"
    write_contact_sheet(packed, file)
    page = file.read_text(encoding="utf-8")
    assert SECRET not in page
    assert not re.search(r"https?:|<script|<link", page)
    assert "<b>mine" not in page
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_large_data_set_gives_a_sheet_of_limited_length(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_sheet, "SHOWN", 2)
    write_contact_sheet(packed, tmp_path / "pictures.html")
    page = (tmp_path / "pictures.html").read_text(encoding="utf-8")
    assert len(pictures_of(page)) == 4
    assert re.findall(r"(\d+) grey levels<", page)[:2] == ["9", "15"]


def test_inspect_counts_pictures_with_hardly_any_contrast_and_writes_the_sheet_if_asked(
    packed: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pictures.html"
    found = rs.inspect(packed, pictures=file)
    assert found.source_formats == {"PNG, 8 bits": 6, "PNG, 16 bits": 1}
    assert found.low_contrast == {"PNG, 8 bits": 3, "PNG, 16 bits": 1}
    assert file.is_file()
    shown = io.StringIO()
    Console(file=shown, width=120).print(inspection_tables(inspect_dataset(packed)))
    assert "PNG, 8 bits: 3 of 6; PNG, 16 bits: 1 of 1" in shown.getvalue()
    assert "--pictures FILE.html" in shown.getvalue()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kept.html", "exists and is not overwritten"),
        ("pictures.png", "expected the name of an HTML file"),
        ("s3://bucket/pictures.html", "not an address"),
    ],
)
def test_a_sheet_is_refused_before_any_work(packed: Path, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "kept.html").write_text("kept")
    with pytest.raises(InputError, match=said):
        rs.inspect(packed, pictures=name if "://" in name else tmp_path / name)
    assert (tmp_path / "kept.html").read_text() == "kept"
