"""VinDr-CXR: DICOM images and labels by radiologists, without reports.

Source: Nguyen et al., Scientific Data 2022 (https://physionet.org/content/vindr-cxr/). Three radiologists read each
image of the training split; the labels of the test split are their consensus. Patients are not known.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.labels import flag
from radsweep.data.importers.toolkit.published_files import PublishedFile, find_known, image_below
from radsweep.data.importers.toolkit.tables import read_table, require_columns
from radsweep.data.packing.labels import Labels
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.settings import PackSettings
from radsweep.data.packing.splits import set_validation_aside
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for numpy
    from radsweep.data.packing.image_cache import Progress

_FROM = "VinDr-CXR, https://physionet.org/content/vindr-cxr/"
_TRAIN = PublishedFile(("annotations/image_labels_train.csv", "image_labels_train.csv"), _FROM)
_TEST = PublishedFile(("annotations/image_labels_test.csv", "image_labels_test.csv"), _FROM)
_TRAIN_IMAGES, _TEST_IMAGES = PublishedFile(("train",), _FROM), PublishedFile(("test",), _FROM)


class VindrSettings(PackSettings):
    """Options of `radsweep pack vindr-cxr`."""


def read_vindr(settings: VindrSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each image of the two tables of labels. Raises InputError."""
    train, test, train_images, test_images = find_known(root, _TRAIN, _TEST, _TRAIN_IMAGES, _TEST_IMAGES)
    labels = {path: _labels(path) for path in (train, test)}
    aside = set_validation_aside(labels[train], settings.split_fractions, settings.seed)
    listed = [(train, train_images, name) for name in labels[train]] + [
        (test, test_images, name) for name in labels[test]
    ]
    rows = [
        SourceRow(
            number=number,
            patient=name,
            files=image_below(folder, f"{name}.dicom", root),
            view="PA",
            split="test" if path == test else aside[name],
            labels=labels[path][name],
        )
        for number, (path, folder, name) in enumerate(tracked(listed, progress), 1)
    ]
    notes = [
        "patients are not known: each image counts as its own patient",
        "a label of the training split is what most radiologists of an image say; unknown if as many say otherwise",
        "validation was set aside from the training split by image and seed",
        "the data has no reports: its images are not pairs, and can be used for adaptation and evaluation by labels",
    ]
    return Source(rows, Requirements(report=False), {"splits": "official, validation by seed"}, notes)


def _labels(path: Path) -> dict[str, Labels]:
    """Return the labels of each image: those of most rows, of which there is one for each radiologist."""
    table = read_table(path)
    require_columns(table, {"a table of another kind or version": ("image_id",)})
    classes = [name for name in dict.fromkeys(table.columns) if name and name not in ("image_id", "rad_id")]
    said: dict[str, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in classes})
    for number, row in table.numbered():
        for name in classes:
            try:
                value = flag(row.get(name, ""))
            except ValueError as error:
                raise InputError(f"{path}: row {number}: {name}: expected 1 or 0") from error
            if value in (0, 1):
                said[row["image_id"]][name].append(float(value))
    return {image: {name: _majority(values) for name, values in of_it.items()} for image, of_it in said.items()}


def _majority(values: list[float]) -> float | None:
    share = sum(values) / len(values) if values else 0.5
    return None if share == 0.5 else float(share > 0.5)


IMPORTER = Importer(
    VindrSettings,
    read_vindr,
    "Pack VinDr-CXR (DICOM and labels, no reports).\n\n"
    "ROOT holds train/, test/ and annotations/ with image_labels_train.csv and image_labels_test.csv. The official "
    "test split is kept; validation is set aside from the rest by image and --seed. Only images are packed, for "
    "adaptation and evaluation by labels.",
    "/data/vindr-cxr my-shards --size 512",
)
