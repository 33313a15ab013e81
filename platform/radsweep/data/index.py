"""The studies of a data set without their pixels: ids, images, reports as tokens, labels; in one canonical order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

COLUMNS = ["study_id", "patient_id", "report", "images.list.element.view"]


@dataclass(frozen=True)
class SplitIndex:
    """The studies of one split, pairs or unpaired, sorted by study id: independent of how they were sharded.

    S studies, M images; the images of study s are rows `first_image_S1[s]` to `first_image_S1[s + 1]`.
    """

    study_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    first_image_S1: np.ndarray
    report_group_S: np.ndarray  # equal for studies whose reports read the same
    sample_key_S: np.ndarray  # int64 of the study id, for seeded draws

    def __len__(self) -> int:
        return len(self.study_ids)

    @property
    def images(self) -> int:
        return int(self.first_image_S1[-1])

    @property
    def image_study_M(self) -> np.ndarray:
        """Study row of every image."""
        return np.repeat(np.arange(len(self)), np.diff(self.first_image_S1))


Row = tuple[str, str, str, int]  # study id, patient id, report, number of images


def read_split(paths: Sequence[str], without: Collection[str] = ()) -> tuple[SplitIndex, list[str]]:
    """Index of the shards at `paths`, and the reports in its order; "" where a study has none.

    without: patients who are left out.
    """
    rows: list[Row] = []
    for path in paths:
        table = pq.ParquetFile(path).read(columns=COLUMNS)
        counts = np.diff(table["images"].combine_chunks().offsets.to_numpy()) if len(table) else []
        texts = (text or "" for text in table["report"].to_pylist())
        rows += zip(table["study_id"].to_pylist(), table["patient_id"].to_pylist(), texts, counts, strict=True)
    return indexed(row for row in rows if row[1] not in without)


def indexed(studies: Iterable[Row]) -> tuple[SplitIndex, list[str]]:
    """Index of studies in any order, and the reports in its order."""
    rows = sorted(studies, key=lambda row: row[0])
    reports = [row[2] for row in rows]
    groups = {text: number for number, text in enumerate(dict.fromkeys(map(normalised, reports)))}
    index = SplitIndex(
        study_ids=tuple(row[0] for row in rows),
        patient_ids=tuple(row[1] for row in rows),
        first_image_S1=np.concatenate([[0], np.cumsum([row[3] for row in rows], dtype=np.int64)]).astype(np.int64),
        report_group_S=np.array([groups[normalised(text)] for text in reports], dtype=np.int64),
        sample_key_S=np.array([sample_key(row[0]) for row in rows], dtype=np.int64),
    )
    return index, reports


def normalised(report: str) -> str:
    """The text that decides whether two reports read the same: letters and digits, lower case."""
    return " ".join(re.findall(r"\w+", report.lower()))


def sample_key(identifier: str) -> int:
    """A stable 63-bit number of an id, from which all seeded draws of the sample start."""
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "little") >> 1
