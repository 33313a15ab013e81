"""RSNA Pneumonia Detection Challenge (stage 2): DICOM images and labels by radiologists, without reports.

Source: Shih et al., Radiology: Artificial Intelligence 2019 (https://www.kaggle.com/c/rsna-pneumonia-detection-challenge).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.labels import flag
from radsweep.data.importers.toolkit.published_files import (
    PublishedFile,
    find_known,
    image_files,
    known_table,
    optional,
)
from radsweep.data.packing.labels import Labels
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.settings import PackSettings
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for numpy
    from radsweep.data.packing.image_cache import Progress

_FROM = "the RSNA Pneumonia Detection Challenge, https://www.kaggle.com/c/rsna-pneumonia-detection-challenge"
_BOXES = PublishedFile(("stage_2_train_labels.csv",), _FROM)
_CLASSES = PublishedFile(("stage_2_detailed_class_info.csv",), _FROM)
_IMAGES = PublishedFile(("stage_2_train_images",), _FROM)
_MAPPING = PublishedFile(
    ("pneumonia-challenge-dataset-mappings_2018.json",),
    "https://www.rsna.org/rsnai/ai-image-challenge/rsna-pneumonia-detection-challenge-2018",
)
TARGET = "Pneumonia"
OPACITY, NORMAL, OTHER = "Lung Opacity", "Normal", "No Lung Opacity / Not Normal"


class RsnaSettings(PackSettings):
    """Options of `radsweep pack rsna`."""


def read_rsna(settings: RsnaSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each image of stage_2_train_labels.csv, which has a row for each box. Raises InputError."""
    boxes_path, classes_path, images = find_known(root, _BOXES, _CLASSES, _IMAGES)
    class_of = {row["patientId"]: row["class"] for row in known_table(classes_path, ("patientId", "class")).rows}
    labels: dict[str, Labels] = {}
    for number, row in enumerate(known_table(boxes_path, ("patientId", "Target")).rows, 1):
        name = row["patientId"]
        if name not in labels:
            labels[name] = _labels(row["Target"], class_of.get(name, ""), f"{boxes_path}: row {number}")
    mapping = optional(root, _MAPPING)
    patient_of = _patients(mapping) if mapping else {}
    rows = [
        SourceRow(
            number=number,
            patient=patient_of.get(name, name),
            files=image_files(f"{images.relative_to(root)}/{name}.dcm"),
            view="Frontal",
            labels=labels[name],
        )
        for number, name in enumerate(tracked(list(labels), progress), 1)
    ]
    notes = [
        "the data has no reports: its images are not pairs, and can be used for adaptation and evaluation by labels"
    ]
    if not mapping:
        notes.append(
            f"each image counts as its own patient; put {_MAPPING.names[0]} ({_MAPPING.comes_from}) into ROOT to group "
            "images by patient"
        )
    return Source(
        rows, Requirements(report=False), {"splits": "by seed", "patients_from_mapping": bool(mapping)}, notes
    )


def _labels(target: str, kind: str, where: str) -> Labels:
    """Return pneumonia as scored by the challenge, and the three exclusive classes; None if a table has no value."""
    try:
        pneumonia = flag(target)
    except ValueError as error:
        raise InputError(f"{where}: Target: expected 1 or 0") from error
    known = kind in (OPACITY, NORMAL, OTHER)
    return {TARGET: pneumonia} | {name: float(kind == name) if known else None for name in (OPACITY, NORMAL, OTHER)}


def _patients(path: Path) -> dict[str, str]:
    """Map images of the challenge to patients of ChestX-ray14, from which they were taken (`00013774_026.png`)."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {entry["subset_img_id"]: entry["img_id"].split("_")[0] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected a JSON list of subset_img_id and img_id; it comes from {_MAPPING.comes_from}"
        ) from error


IMPORTER = Importer(
    RsnaSettings,
    read_rsna,
    "Pack the RSNA Pneumonia Detection Challenge (DICOM and labels, no reports).\n\n"
    "ROOT holds stage_2_train_images/, stage_2_train_labels.csv and stage_2_detailed_class_info.csv; with "
    "pneumonia-challenge-dataset-mappings_2018.json there, images of one patient stay in one split. The "
    "labelled images have no official splits, so splits are made by seed. Only images are packed, for adaptation and "
    "evaluation by labels.",
    "/data/rsna my-shards --size 512",
)
