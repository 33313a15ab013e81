"""ROCO in both of its versions, as downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.errors import InputError

Pack = Callable[..., Any]


@pytest.fixture
def first(tmp_path: Path, picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "roco-dataset"
    splits = {"train": (2, 3, 4, 5), "validation": (20,), "test": (1, 6)}
    for split, numbers in splits.items():
        folder = root / "data" / split / "radiology"
        captions = [f"ROCO_{number:05d}\t Axial CT, case {number}." for number in numbers]
        licences = ["ROCO_ID,PMC_ID,CC"]
        licences += [f"ROCO_{number:05d},PMC408{number}_AMHSR-4-14-g002.jpg,CC BY-NC-SA" for number in numbers]
        for number in numbers:
            picture(folder / "images" / f"PMC408{number}_AMHSR-4-14-g002.jpg", number)
        (folder / "licences.txt").write_text("\n".join(licences))
        (folder / "captions.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
    train = root / "data" / "train" / "radiology"
    (train / "images" / "PMC4083_AMHSR-4-14-g002.jpg").unlink()
    (train / "images" / "PMC4084_AMHSR-4-14-g002.jpg").write_bytes(b"<html>404</html>")
    (train / "captions.txt").write_text(
        "ROCO_00002\t “Ground glass”,\n  bilateral.\nROCO_00003\t Gone.\nROCO_00004\t Page.\nROCO_00005\t \n"
        "ROCO_00002\t “Ground glass”, bilateral.\n",
        encoding="utf-8",
    )
    return root


def test_version_1_pairs_captions_with_downloaded_images(pack: Pack, first: Path, counted: Callable[..., Any]) -> None:
    packed = pack("roco", first)
    assert counted(packed.manifest.studies) == {"pairs": (1, 1, 2)}
    assert packed.study("“Ground glass”, bilateral.")["split"] == "train"
    assert packed.manifest.dropped == {
        "image file not found": 1,
        "file is not an image (HTML page)": 1,
        "no report": 1,
        "duplicate of another row": 1,
    }
    assert packed.manifest.source["version"] == 1


def test_version_1_with_files_named_by_their_ids(pack: Pack, first: Path) -> None:
    expected = pack("roco", first).manifest.studies
    for folder in first.glob("data/*/radiology"):
        names = dict(line.split(",")[:2][::-1] for line in (folder / "licences.txt").read_text().splitlines())
        (folder / "licences.txt").unlink()
        for path in list((folder / "images").iterdir()):
            path.rename(path.with_name(f"{names[path.name]}.jpg"))
    (first / "data").rename(first / "all_data")
    assert pack("roco", first).manifest.studies == expected


@pytest.fixture
def second(tmp_path: Path, table: Callable[..., None], picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "rocov2"
    for split, count in (("train", 3), ("valid", 1), ("test", 1)):
        names = [f"ROCOv2_2023_{split}_{number:06d}" for number in range(1, count + 1)]
        rows = [(name, f'Chest "X-ray", {name[-12:]}.' if number else "nan") for number, name in enumerate(names, -1)]
        table(root / f"{split}_captions.csv", ("ID", "Caption"), rows)
        for name in names:
            picture(root / split / f"{name}.jpg", hash_of(name))
    return root


def hash_of(name: str) -> int:
    return sum(map(ord, name))


def test_version_2_keeps_its_splits(pack: Pack, second: Path, counted: Callable[..., Any]) -> None:
    packed = pack("roco", second)
    assert counted(packed.manifest.studies) == {"pairs": (2, 1, 1)}
    assert packed.study('Chest "X-ray", train_000001.')
    assert packed.manifest.dropped == {"report is a placeholder": 1}
    assert packed.manifest.source["version"] == 2


def test_missing_parts_are_named(pack: Pack, first: Path, second: Path, tmp_path: Path) -> None:
    (first / "data" / "test" / "radiology" / "captions.txt").unlink()
    with pytest.raises(
        InputError, match=r"data/test/radiology/captions\.txt is missing; it comes with ROCO, https://git"
    ):
        pack("roco", first)
    (second / "valid").rename(second / "val")
    with pytest.raises(InputError, match=r"valid_images\.zip of ROCOv2, https://doi\.org/10\.5281/zenodo"):
        pack("roco", second)
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(InputError, match="one of the two is needed"):
        pack("roco", tmp_path / "x" / "y")


def test_a_captions_file_of_another_form_is_refused(pack: Pack, first: Path) -> None:
    (first / "data" / "test" / "radiology" / "captions.txt").write_text("ROCO_00001,Axial MRI.\n")
    with pytest.raises(InputError, match=r"captions\.txt: no line has an id, a tab and a caption"):
        pack("roco", first)


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_not_hide_the_first_figure(pack: Pack, first: Path, mark: str) -> None:
    expected = pack("roco", first).manifest
    for path in first.rglob("*.txt"):
        path.write_text(path.read_text(encoding="utf-8"), encoding=mark)
    packed = pack("roco", first)
    assert (packed.manifest.studies, packed.manifest.dropped) == (expected.studies, expected.dropped)


def test_lines_before_the_first_id_and_damaged_bytes_are_counted(pack: Pack, first: Path) -> None:
    path = first / "data" / "test" / "radiology" / "captions.txt"
    path.write_bytes("id\tcaption\n\n# “by hand”\n".encode() + path.read_bytes().replace(b"CT", b"C\xff"))
    packed = pack("roco", first)
    assert "2 lines of test/radiology/captions.txt come before the first id and were left out" in packed.manifest.notes
    assert packed.study("Axial C\ufffd, case 1.")
    assert any(note.startswith("2 bytes of test/radiology/captions.txt that are not") for note in packed.manifest.notes)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../x.jpg"])
def test_a_path_outside_root_is_an_image_that_is_not_found(pack: Pack, first: Path, path: str) -> None:
    licences = first / "data" / "test" / "radiology" / "licences.txt"
    licences.write_text(f"ROCO_ID,PMC_ID\nROCO_00001,{path}\nROCO_00006,{path}\n")
    assert pack("roco", first).manifest.dropped["image file not found"] == 3


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], second: Path) -> None:
    typed_as_on_its_page("roco", second)
