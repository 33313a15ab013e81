"""Where CheXpert's tables and images lie under a root: together, or in the batches that the full-size set comes in.

As downloaded these are `CheXpert-v1.0 batch 1 (validate & csv)`, with the tables and valid/, and `batch 2 (train 1)` to
`batch 4 (train 3)`, with a folder for each patient, which the tables name `CheXpert-v1.0/train/PATIENT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radsweep.data.importers.known import Known, image_files
from radsweep.data.rows import SourceRow
from radsweep.errors import InputError

_FROM = "CheXpert, https://stanfordmlgroup.github.io/competitions/chexpert/"
_FIRST_BATCH, _TRAIN_BATCHES = "* batch 1 *", "* batch * (train *)"


def _beside_or_first(*names: str) -> Known:
    return Known((*names, *(f"{_FIRST_BATCH}/{name}" for name in names)), _FROM)


TRAIN, VALID = _beside_or_first("train.csv"), _beside_or_first("valid.csv")
TEST = _beside_or_first("test.csv", "test_labels.csv")
TRAIN_IMAGES, VALID_IMAGES = Known(("train", _TRAIN_BATCHES), _FROM), _beside_or_first("valid")


def train_batches(root: Path) -> dict[str, str]:
    """The batch that holds each patient of train; none where train is one folder."""
    return {patient.name: batch.name for batch in root.glob(_TRAIN_BATCHES) for patient in batch.iterdir()}


def inside(path: str, where: str) -> str:
    """`train/PATIENT/STUDY/NAME`, without `CheXpert-v1.0-small/`. Raises InputError that opens with `where`."""
    parts = path.split("/")
    kept = parts[1:] if parts[0].startswith("CheXpert") else parts
    if len(kept) != 4:
        raise InputError(f"{where}: Path is not like CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg")
    return "/".join(kept)


def find_image(table: Path, image: str, root: Path, batch_of: dict[str, str]) -> tuple[str, ...]:
    """Files of a row of `table`, of which `image` is `inside` its Path, relative to `root`."""
    split, patient, rest = image.split("/", 2)
    if split == "train" and patient in batch_of:
        return image_files(f"{batch_of[patient]}/{patient}/{rest}")
    return image_files(str(table.parent.relative_to(root) / image))


def require_images(table: Path, rows: Sequence[SourceRow], root: Path) -> None:
    """Raises InputError where no image of a table is there: a whole split would be missing."""
    if rows and not any((root / path).is_file() for row in rows for path in row.files):
        raise InputError(
            f"{table}: none of its {len(rows)} images is in {root}; they come with {_FROM}: unpack the folders of "
            "images into it, beside each other"
        )
