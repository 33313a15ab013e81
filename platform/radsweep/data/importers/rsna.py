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
    image_below,
    known_table,
    optional,
)
from radsweep.data.importers.toolkit.text_files import read_text
from radsweep.data.packing.labels import Labels, merge_labels
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
    class_of: dict[str, str] = {}
    for row in known_table(classes_path, ("patientId", "class")).rows:
        class_of[row["patientId"]] = class_of.get(row["patientId"]) or row["class"]
    labels: dict[str, Labels] = {}
    for number, row in enumerate(known_table(boxes_path, ("patientId", "Target")).rows, 1):
        name = row["patientId"]
        of_row = _labels(row["Target"], class_of.get(name, ""), f"{boxes_path}: row {number}")
        labels[name] = merge_labels([labels[name], of_row]) if name in labels else of_row
    mapping = optional(root, _MAPPING)
    patient_of = _patients(mapping) if mapping else {}
    rows = [
        SourceRow(
            number=number,
            patient=patient_of.get(name, name),
            files=image_below(images, f"{name}.dcm", root),
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
        entries = json.loads(read_text(path).text)
        return {entry["subset_img_id"]: _encodable(entry["img_id"].split("_")[0]) for entry in entries}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: expected a JSON list of subset_img_id and img_id; it comes from {_MAPPING.comes_from}"
        ) from error


def _encodable(patient: str) -> str:
    """Return a patient id; JSON may escape half of a character, which no file can hold."""
    return patient.encode("utf-8", errors="replace").decode("utf-8")


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
