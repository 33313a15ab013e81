"""VinDr-CXR as downloaded: three radiologists for each training image, a consensus for each test image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.errors import InputError
from support.odd_sources import dicom

Pack = Callable[..., Any]
CLASSES = ("Cardiomegaly", "Pleural effusion", "No finding")
TRAIN = {  # labels by radiologist
    "0a1b": [(1, 0, 0), (1, 0, 0), (0, 1, 0)],
    "0a2c": [(0, 0, 1), (0, 0, 1), (0, 0, 1)],
    "0a3d": [(0, 1, 0), (1, 0, 0)],
    "gone": [(0, 0, 1)],
}
TEST = {"ff00": (0, 1, 0), "ff01": (0, 0, 1)}


@pytest.fixture
def root(tmp_path: Path, table: Callable[..., None]) -> Path:
    root = tmp_path / "vindr"
    rows = [(name, f"R{i}", *labels) for name, readers in TRAIN.items() for i, labels in enumerate(readers)]
    table(root / "annotations" / "image_labels_train.csv", ("image_id", "rad_id", *CLASSES), rows)
    table(root / "annotations" / "image_labels_test.csv", ("image_id", *CLASSES), [(n, *v) for n, v in TEST.items()])
    for seed, name in enumerate((*TRAIN, *TEST)):
        path = root / ("test" if name in TEST else "train") / f"{name}.dicom"
        path.parent.mkdir(exist_ok=True)
        if name != "gone":
            path.write_bytes(dicom(seed))
    return root


def test_labels_are_what_most_radiologists_say_and_the_test_split_is_kept(pack: Pack, root: Path) -> None:
    packed = pack("vindr-cxr", root, split_fractions=(0.5, 0.5, 0))
    assert packed.manifest.dropped == {"image file not found": 1}
    assert packed.manifest.studies["images"]["test"] == 2
    found = {tuple(study["labels"][name] for name in CLASSES) for study in packed.studies}
    assert found == {(1, 0, 0), (0, 0, 1), (None, None, 0), (0, 1, 0)}


def test_a_label_that_is_neither_1_nor_0_is_refused_with_its_place(pack: Pack, root: Path) -> None:
    path = root / "annotations" / "image_labels_test.csv"
    path.write_text(path.read_text().replace("ff01,0", "ff01,7"))
    with pytest.raises(InputError, match=r"image_labels_test\.csv: row 2: Cardiomegaly: expected 1 or 0"):
        pack("vindr-cxr", root)


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], root: Path) -> None:
    typed_as_on_its_page("vindr-cxr", root)
