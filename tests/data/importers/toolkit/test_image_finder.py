"""Image files by column and by pattern; the root is never left."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.data.importers.toolkit.image_finder import ImageFinder, OutsideRootError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in (
        "images/1.jpg", "images/1.txt", "images/10.png", "images/a[1].png", "p1/s2/x.dcm", "p1/s2/1.2.840.99",
        "p1/s2/b.PNG", "part1/only.png", "part1/twice.png", "part2/twice.png",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (tmp_path / "secret.png").write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("pattern", "row", "found"),
    [
        ("images/{id}.*", {"id": "1"}, ["images/1.jpg"]),
        ("images/{id}*", {"id": "1"}, ["images/1.jpg", "images/10.png"]),
        ("images/{id}.*", {"id": "a[1]"}, ["images/a[1].png"]),
        ("images/{id}.*", {"id": "?"}, []),
        ("images/{id}.*", {"id": ""}, []),
        ("p{p}/s{s}/*", {"p": "1", "s": "2"}, ["p1/s2/1.2.840.99", "p1/s2/b.PNG", "p1/s2/x.dcm"]),
        ("*/{name}.png", {"name": "twice"}, ["part1/twice.png", "part2/twice.png"]),
        ("file", {"file": "images/10.png"}, ["images/10.png"]),
        ("file", {"file": "images/missing.png"}, ["images/missing.png"]),
        ("images/{file}", {"file": "1.jpg|10.png"}, ["images/1.jpg", "images/10.png"]),
        ("images/{file}", {"file": "['1.jpg']"}, ["images/1.jpg"]),
        ("{file}.jpg", {"file": "images/1"}, ["images/1.jpg"]),
    ],
)
def test_a_row_finds_its_files(root: Path, pattern: str, row: dict[str, str], found: list[str]) -> None:
    assert ImageFinder(root, pattern).find(row) == found


@pytest.mark.parametrize("pattern", ["file", "{file}*"])
def test_a_row_cannot_leave_the_root(root: Path, pattern: str) -> None:
    for path in ("../secret.png", "images/../../secret.png", str(root.parent / "secret.png")):
        with pytest.raises(OutsideRootError):
            ImageFinder(root, pattern).find({"file": path})


def test_an_absolute_path_inside_the_root_is_found(root: Path) -> None:
    assert ImageFinder(root, "file").find({"file": str(root / "images/1.jpg")}) == ["images/1.jpg"]
