"""Names of images that differ a little from those in the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.data.packing.image_names import Found, ImageNames, is_file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "A/One.PNG",
        "A/two.jpg",
        "A/.two.jpg",
        "b/1.2.840.99",
        "only.png",
        "part1/x.png",
        "part1/twice.png",
        "part2/twice.png",
        "c/y.png",
        "C/z.png",
        "e\u0301/v.png",
        "__MACOSX/h.png",
        "q/r.dcm",
        "q/r.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("A/One.PNG", Found("A/One.PNG")),
        ("a/one.png", Found("A/One.PNG", "case")),
        ("A/two.png", Found("A/two.jpg", "extension")),
        ("A/two", Found("A/two.jpg", "extension")),
        ("b/1.2.840.99.dcm", None),
        ("b/1.2.840.98", None),
        ("x.png", Found("part1/x.png")),
        ("X.jpg", Found("part1/x.png", "extension")),
        ("twice.png", Found("twice.png", ambiguous=True)),
        ("c/z.png", None),
        ("\u00e9/v.png", Found("e\u0301/v.png", "Unicode form")),
        ("h.png", None),
        ("q/r.jpg", Found("q/r.jpg", ambiguous=True)),
        ("A", Found("A", folder=True)),
        ("c/../A", None),
        ("", None),
        ("a\0.png", None),
        ("a\ud800.png", None),
        ("x" * 5000, None),
        ("A/" * 3000 + "x", None),
    ],
)
def test_a_file_is_found_if_only_one_name_is_like_it(root: Path, path: str, found: Found | None) -> None:
    assert ImageNames(root).find(path) == found


def test_folders_below_links_are_searched_once(root: Path, tmp_path: Path) -> None:
    (root / "A" / "loop").symlink_to(root)
    (root / "part1" / "linked").symlink_to(root / "b")
    assert ImageNames(root).find("1.2.840.99") == Found("b/1.2.840.99")


@pytest.mark.parametrize("path", ["", ".", "a\0", "\udce9", "x" * 5000])
def test_a_path_that_cannot_exist_is_not_found(root: Path, path: str) -> None:
    assert not is_file(root, path)
