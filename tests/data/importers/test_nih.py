"""NIH ChestX-ray14 as downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.errors import InputError

Pack = Callable[..., Any]
# As published: the header's brackets contain a comma, and each line ends in one.
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
ENTRIES = [  # image, labels, patient, view, list, folder
    ("00000001_000.png", "Cardiomegaly", 1, "PA", "train_val", "images_001"),
    ("00000001_001.png", "Cardiomegaly|Emphysema", 1, "PA", "train_val", "images_001"),
    ("00000002_000.png", "No Finding", 2, "AP", "train_val", "images_001"),
    ("00000003_000.png", "Hernia", 3, "PA", "test", "images_002"),
    ("00000004_000.png", "nan", 4, "PA", "test", "images_002"),
    ("00000005_000.png", "Mass", 5, "PA", "", "images_002"),
    ("00000006_000.png", "Mass", 6, "PA", "test", ""),
    ("00000007_000.png", "Mass", 7, "PA", "test", "broken"),
    ("00000003_000.png", "Hernia", 3, "PA", "test", ""),
]


@pytest.fixture
def root(tmp_path: Path, picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "nih"
    lines = [HEADER]
    for seed, (name, labels, patient, view, _, folder) in enumerate(ENTRIES):
        lines.append(f"{name},{labels},0,{patient},058Y,M,{view},2682,2749,0.143,0.143,")
        if folder:
            path = root / ("images_012" if folder == "broken" else folder) / "images" / name
            picture(path, seed)
            if folder == "broken":
                path.write_bytes(path.read_bytes()[:60])
    (root / "Data_Entry_2017.csv").write_text("\n".join(lines) + "\n")
    for listed in ("train_val", "test"):
        names = [name for name, *_, of, _ in ENTRIES if of == listed]
        (root / f"{listed}_list.txt").write_text("\n".join(names))
    return root


def test_the_official_test_split_is_kept_and_validation_set_aside_by_patient(
    pack: Pack, root: Path, counted: Callable[..., Any]
) -> None:
    packed = pack("nih", root, split_fractions=(0.5, 0.5, 0))
    assert packed.manifest.patients["images"] == {"train": 1, "validation": 1, "test": 2}
    assert sum(packed.manifest.studies["images"].values()) == 5
    of_first = [study["split"] for study in packed.studies if study["labels"].get("Cardiomegaly") == 1]
    assert len(of_first) == 2
    assert len(set(of_first)) == 1
    assert packed.manifest.dropped == {
        "no split given": 1,
        "image file not found": 1,
        "image is cut off": 1,
        "duplicate of another row": 1,
    }
    assert any("validation was set aside by patient and seed" in note for note in packed.manifest.notes)


def test_labels_are_known_if_the_table_names_any(pack: Pack, root: Path) -> None:
    packed = pack("nih", root)
    hernia = next(study for study in packed.studies if study["labels"]["Hernia"] == 1)
    assert (hernia["labels"]["Mass"], hernia["labels"]["No Finding"]) == (0, 0)
    assert hernia["images"][0]["view"] == "PA"
    unlabelled = [study for study in packed.studies if set(study["labels"].values()) == {None}]
    assert len(unlabelled) == 1
    assert set(packed.manifest.labels) == {"Cardiomegaly", "Emphysema", "Hernia", "Mass", "No Finding"}


def test_images_in_one_folder_and_the_later_table_are_found_too(pack: Pack, root: Path) -> None:
    expected = pack("nih", root).manifest.studies
    (root / "images").mkdir()
    for path in sorted(root.glob("images_*/images/*")):
        path.rename(root / "images" / path.name)
    (root / "Data_Entry_2017.csv").rename(root / "Data_Entry_2017_v2020.csv")
    assert pack("nih", root).manifest.studies == expected


def test_missing_lists_and_images_are_named(pack: Pack, root: Path) -> None:
    (root / "train_val_list.txt").rename(root / "list.txt")
    for folder in root.glob("images_*"):
        folder.rename(root / f"x{folder.name}")
    with pytest.raises(InputError) as raised:
        pack("nih", root)
    lists, images = str(raised.value).splitlines()
    assert "train_val_list.txt is missing; it comes with ChestX-ray14, https://nihcc.app.box.com" in lists
    assert "images_001.tar.gz to images_012" in images


def test_an_image_in_both_lists_is_refused(pack: Pack, root: Path) -> None:
    (root / "test_list.txt").write_text((root / "train_val_list.txt").read_text())
    with pytest.raises(InputError, match=r"test_list\.txt: 3 of its images are also in train_val_list\.txt"):
        pack("nih", root)


def test_no_share_for_train_or_validation_is_refused(pack: Pack, root: Path) -> None:
    with pytest.raises(InputError, match="--split-fractions: the source gives the test split"):
        pack("nih", root, split_fractions=(0, 0, 1))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_not_hide_the_first_name_of_a_list(pack: Pack, root: Path, encoding: str) -> None:
    expected = pack("nih", root).manifest
    for path in root.glob("*_list.txt"):
        path.write_text(path.read_text(), encoding=encoding)
    packed = pack("nih", root)
    assert (packed.manifest.studies, packed.manifest.dropped) == (expected.studies, expected.dropped)


def test_names_of_the_lists_that_are_not_in_the_table_are_counted(pack: Pack, root: Path) -> None:
    with (root / "test_list.txt").open("a") as file:
        file.write("\n00000009_000.png\n00000009_001.png\n")
    notes = pack("nih", root).manifest.notes
    assert "2 names in train_val_list.txt and test_list.txt are not in Data_Entry_2017.csv" in notes


def test_hidden_files_and_images_in_upper_case_change_nothing(pack: Pack, root: Path) -> None:
    expected = pack("nih", root).manifest
    folder = root / "images_001" / "images"
    (folder / "._00000001_000.png").write_bytes(b"x")
    (root / "images_001" / ".DS_Store").write_bytes(b"x")
    (folder / "00000001_000.png").rename(folder / "00000001_000.PNG")
    packed = pack("nih", root)
    assert (packed.manifest.studies, packed.manifest.dropped) == (expected.studies, expected.dropped)
    assert "1 images have names that differ from the source's: case 1" in packed.manifest.notes


def test_images_of_nobody_are_not_one_patient(pack: Pack, root: Path) -> None:
    text = (root / "Data_Entry_2017.csv").read_text()
    for name in ("00000001_000.png,Cardiomegaly,0,1", "00000002_000.png,No Finding,0,2"):
        text = text.replace(name, f"{name[:-1]}nan")
    (root / "Data_Entry_2017.csv").write_text(text)
    assert pack("nih", root).manifest.dropped["no patient id"] == 2


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], root: Path) -> None:
    typed_as_on_its_page("nih", root)
