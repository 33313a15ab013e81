"""Layout of a data set on disk: studies, Parquet shards, the manifest.

A data set is one folder, made in full or not at all::

    OUT/manifest.json                 Manifest, written last
    OUT/pairs/train-00000.parquet     studies with a report and one image or more, by split
    OUT/images/train-00000.parquet    studies without a report (adaptation, labelled evaluation)
    OUT/reports/train-00000.parquet   studies without an image (adaptation)
    OUT/private/                      key and mapping of ids, list of dropped rows; mode 700 / 600, never shared
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1
Split = Literal["train", "validation", "test"]
StudyKind = Literal["pairs", "images", "reports"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
KINDS: tuple[StudyKind, ...] = ("pairs", "images", "reports")


@dataclass(frozen=True)
class Image:
    """One encoded picture (PNG or JPEG bytes, 8 or 16 bit, grey or colour)."""

    image_id: str
    data: bytes
    view: str = ""


@dataclass(frozen=True)
class Study:
    """One report with its images. `labels` maps a class to 1, 0, or None (uncertain or not mentioned)."""

    study_id: str
    patient_id: str
    split: Split
    report: str | None
    images: tuple[Image, ...]
    labels: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def kind(self) -> StudyKind:
        if self.report is None:
            return "images"
        return "pairs" if self.images else "reports"


SHARD_SCHEMA = pa.schema(
    [
        pa.field("study_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("report", pa.string()),  # null only in images/
        pa.field(
            "images",
            pa.list_(
                pa.struct(
                    [
                        pa.field("image_id", pa.string(), nullable=False),
                        pa.field("view", pa.string(), nullable=False),
                        pa.field("data", pa.binary(), nullable=False),
                    ]
                )
            ),
            nullable=False,  # empty only in reports/
        ),
        pa.field("labels", pa.map_(pa.string(), pa.float32()), nullable=False),
    ]
)


class Shard(BaseModel):
    """One Parquet file: its path relative to the data set, its rows and bytes, and the hash of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    kind: StudyKind
    split: Split
    rows: int
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """Contents of `manifest.json`. It has no patient, path or text of the source."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: int
    name: str
    fingerprint: str  # hash of the studies' content, whatever their order and sharding
    shards: tuple[Shard, ...]
    studies: dict[StudyKind, dict[Split, int]]
    patients: dict[StudyKind, dict[Split, int]]
    images: dict[StudyKind, dict[Split, int]]
    labels: tuple[str, ...] = ()
    dropped: dict[str, int] = {}  # reason -> number of rows
    source_formats: dict[str, int] = {}  # format of the source's files -> number of packed images
    low_contrast: dict[str, int] = {}  # the same, images with hardly any contrast only
    notes: tuple[str, ...] = ()  # actions of the packer that a reader of results should know
    source: dict[str, str | int | float | bool] = {}  # importer or generator, its version and settings
