"""NIH ChestX-ray14: images, and labels extracted from reports; the reports were not published.

Source: Wang et al., CVPR 2017 (https://nihcc.app.box.com/v/ChestXray-NIHCC).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.data.importers.toolkit.importer import Importer, Source
from radsweep.data.importers.toolkit.labels import label_reader
from radsweep.data.importers.toolkit.published_files import (
    PublishedFile,
    find_known,
    image_files,
    known_table,
    visible,
)
from radsweep.data.importers.toolkit.text_files import read_text
from radsweep.data.importers.toolkit.views_and_labels import ViewSettings, keep_views
from radsweep.data.packing.rows import NO_SPLIT, SourceRow
from radsweep.data.packing.splits import set_validation_aside
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow and numpy
    from radsweep.data.packing.image_cache import Progress
    from radsweep.data.shards.schema import Split

_FROM = "ChestX-ray14, https://nihcc.app.box.com/v/ChestXray-NIHCC"
_ENTRIES = PublishedFile(("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"), _FROM)
_TRAIN, _TEST = PublishedFile(("train_val_list.txt",), _FROM), PublishedFile(("test_list.txt",), _FROM)
_FOLDERS = PublishedFile(
    ("images_*/images", "images_*", "images/images", "images"), f"{_FROM} (images_001.tar.gz to images_012)"
)
_LABELS = "Finding Labels"


class NihSettings(ViewSettings):
    """Options of `radsweep pack nih`."""


def read_nih(settings: NihSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each image of the table. Raises InputError."""
    entries, train, test, _ = find_known(root, _ENTRIES, _TRAIN, _TEST, _FOLDERS)
    table = known_table(entries, ("Image Index", "Patient ID", _LABELS, "View Position"))
    in_train, in_test = _names(train), _names(test)
    if both := in_train & in_test:
        raise InputError(f"{test}: {len(both)} of its images are also in {train.name}; download both again")
    patients = {row["Patient ID"] for row in table.rows if row["Image Index"] in in_train}
    aside = set_validation_aside(patients, settings.split_fractions, settings.seed)
    labels = label_reader(table, (_LABELS,))
    files = _files(root)
    rows = []
    for number, row in enumerate(table.rows, 1):
        name = row["Image Index"]
        split: Split | None = "test" if name in in_test else aside[row["Patient ID"]] if name in in_train else None
        rows.append(
            SourceRow(
                number=number,
                patient=row["Patient ID"],
                files=image_files(files.get(name, name)),
                view=row["View Position"],
                split=split,
                labels=labels(row),
                fault="" if split else NO_SPLIT,
            )
        )
    kept, views, notes = keep_views(rows, settings.views)
    if unknown := len((in_train | in_test) - {row["Image Index"] for row in table.rows}):
        notes.append(f"{unknown} names in {train.name} and {test.name} are not in {entries.name}")
    notes += [
        "train_val_list.txt lists train and validation together: validation was set aside by patient and seed",
        "labels were extracted from reports by software: 0 means that it did not name the finding",
        "the data has no reports: its images are not pairs, and can be used for adaptation and evaluation by labels",
    ]
    return Source(kept, Requirements(report=False), {"splits": "official, validation by seed", **views}, notes)


def _names(path: Path) -> set[str]:
    return set(read_text(path).text.split())


def _files(root: Path) -> dict[str, str]:
    """Return every image file by name; if two have the same name, that of the earlier pattern and folder."""
    files: dict[str, str] = {}
    for pattern in _FOLDERS.names:
        for folder in visible(root.glob(pattern)):
            if folder.is_dir():
                for path in visible(folder.iterdir()):
                    if path.suffix.lower() == ".png":
                        files.setdefault(path.name, str(path.relative_to(root)))
    return files


IMPORTER = Importer(
    NihSettings,
    read_nih,
    "Pack NIH ChestX-ray14 (images and labels, no reports).\n\n"
    "ROOT holds Data_Entry_2017.csv, train_val_list.txt, test_list.txt and images_001/ to images_012/ or images/. The "
    "official test split is kept; validation is set aside from the rest by patient and --seed. Only images are "
    "packed, for adaptation and evaluation by labels.",
    "/data/nih my-shards --size 512",
)
