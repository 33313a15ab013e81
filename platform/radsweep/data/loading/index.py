"""Studies of a data set without their pixels, in one canonical order: ids, images, reports as tokens, labels."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from radsweep.data import storage
from radsweep.data.shards.dataset import DAMAGE
from radsweep.data.text.sentences import sentence_starts
from radsweep.errors import InputError

# a number with what joins its parts, the letters of a word, a sign that changes what is said
_SEPARATORS = re.compile(r"[\W_]+")
_COMPARED = re.compile(r"\d+(?:[.,:/]\d+|\s?[-–x]\s?\d+)*|[^\W\d_]+|_+|\+/-|\(-\)|[<>≤≥=±+?%]")

COLUMNS = ["study_id", "patient_id", "report", "images.list.element.view"]


@dataclass(frozen=True)
class SplitIndex:
    """Studies of one split, pairs or unpaired, sorted by study id, so that sharding makes no difference.

    There are S studies and M images. The images of study s are rows `first_image_S1[s]` to `first_image_S1[s + 1]`.
    """

    study_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    first_image_S1: np.ndarray
    report_group_S: np.ndarray  # equal for studies whose reports read the same
    sample_key_S: np.ndarray  # int64 of the study id, for seeded draws
    labels_SC: np.ndarray  # float32, a column for each label of the data set: 1, 0, or NaN if unknown

    def __len__(self) -> int:
        return len(self.study_ids)

    @property
    def images(self) -> int:
        return int(self.first_image_S1[-1])

    @property
    def image_study_M(self) -> np.ndarray:
        """Study row of every image."""
        return np.repeat(np.arange(len(self)), np.diff(self.first_image_S1))

    def images_of(self, rows_N: np.ndarray) -> np.ndarray:
        """Return the rows of all images of the studies at `rows_N`, study by study."""
        first, last = self.first_image_S1[rows_N], self.first_image_S1[rows_N + 1]
        return np.concatenate([np.arange(0), *map(np.arange, first, last)]).astype(np.int64)

    def take(self, rows_N: np.ndarray) -> SplitIndex:
        """Return the index of the studies at `rows_N`, which ascend."""
        images_N = np.diff(self.first_image_S1)[rows_N]
        return SplitIndex(
            study_ids=tuple(self.study_ids[row] for row in rows_N),
            patient_ids=tuple(self.patient_ids[row] for row in rows_N),
            first_image_S1=np.concatenate([[0], np.cumsum(images_N)]).astype(np.int64),
            report_group_S=self.report_group_S[rows_N],
            sample_key_S=self.sample_key_S[rows_N],
            labels_SC=self.labels_SC[rows_N],
        )


class StudyRow(NamedTuple):
    study_id: str
    patient_id: str
    report: str
    images: int  # number of images
    labels_C: np.ndarray


def read_split(
    paths: Sequence[str], labels: Sequence[str] = (), without: Collection[str] = ()
) -> tuple[SplitIndex, list[str]]:
    """Return the index of the shards at `paths`, and the reports in its order; "" for a study without a report.

    Args:
        labels: names of the columns of `labels_SC`.
        without: patients to leave out.

    Raises:
        InputError: a shard is damaged; the message gives its path in the data set.
    """
    rows: list[StudyRow] = []
    for path in paths:
        try:
            rows += _rows(path, labels)
        except FileNotFoundError:
            raise
        except DAMAGE:
            folder, kind, name = path.rsplit("/", 2)
            raise InputError(f"{folder}: shard {kind}/{name} is damaged; copy it again") from None
    return indexed((row for row in rows if row.patient_id not in without), len(labels))


def _rows(path: str, labels: Sequence[str]) -> list[StudyRow]:
    table = storage.parquet(path).read(columns=[*COLUMNS, *(["labels"] if labels else [])])
    labels_SC = _labels(table["labels"], labels) if labels else np.empty((len(table), 0), dtype=np.float32)
    counts = np.diff(table["images"].combine_chunks().offsets.to_numpy()) if len(table) else []
    texts = (text or "" for text in table["report"].to_pylist())
    ids = (table["study_id"].to_pylist(), table["patient_id"].to_pylist())
    return list(map(StudyRow, *ids, texts, counts, labels_SC))


def indexed(studies: Iterable[StudyRow], labels: int) -> tuple[SplitIndex, list[str]]:
    """Return the index of studies given in any order, with `labels` labels each, and the reports in its order."""
    rows = sorted(studies, key=lambda row: row.study_id)
    reports = [row.report for row in rows]
    index = SplitIndex(
        study_ids=tuple(row.study_id for row in rows),
        patient_ids=tuple(row.patient_id for row in rows),
        first_image_S1=np.concatenate([[0], np.cumsum([row.images for row in rows], dtype=np.int64)]).astype(np.int64),
        report_group_S=_groups(reports),
        sample_key_S=np.array([sample_key(row.study_id) for row in rows], dtype=np.int64),
        labels_SC=np.array([row.labels_C for row in rows], dtype=np.float32).reshape(len(rows), labels),
    )
    return index, reports


def _labels(column: pa.ChunkedArray, labels: Sequence[str]) -> np.ndarray:
    """Return [S, C] from maps of a label to its value; NaN if a study lacks the label."""
    found_SC = np.full((len(column), len(labels)), np.nan, dtype=np.float32)
    place = {name: number for number, name in enumerate(labels)}
    row = 0
    for maps in column.chunks:
        rows = np.repeat(np.arange(row, row + len(maps)), np.diff(maps.offsets.to_numpy()))
        first, last = maps.offsets[0].as_py(), maps.offsets[-1].as_py()
        keys, values = maps.keys[first:last], maps.items[first:last]
        columns = np.array([place[name] for name in keys.to_pylist()], dtype=np.int64)
        found_SC[rows, columns] = values.to_numpy(zero_copy_only=False)
        row += len(maps)
    return found_SC


def _groups(reports: Sequence[str]) -> np.ndarray:
    """Number the reports by their normalised text, which is only worked out if another has the same letters."""
    letters = [_SEPARATORS.sub("", unicodedata.normalize("NFC", report).casefold()) for report in reports]
    writings: defaultdict[str, set[str]] = defaultdict(set)
    for key, report in zip(letters, reports, strict=True):
        writings[key].add(report)
    keys = [
        (key, normalised(report) if len(writings[key]) > 1 else "")
        for key, report in zip(letters, reports, strict=True)
    ]
    number_of = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([number_of[key] for key in keys], dtype=np.int64)


def normalised(report: str) -> str:
    """Return the text by which reports are compared: the words, numbers and signs of each sentence, in lower case.

    A full stop that ends a sentence counts ("no effusion. consolidation"), and so does a mark within a number ("2.5",
    "2-5"); no other punctuation or space does ("5mm", "5 mm").
    """
    starts = sentence_starts(report)  # which capitals decide
    report = unicodedata.normalize("NFC", report).casefold()
    sentences = (report[start:end] for start, end in pairwise([*starts, len(report)]))
    return "|".join(" ".join("".join(part.split()) for part in _COMPARED.findall(each)) for each in sentences)


def sample_key(identifier: str) -> int:
    """Return a stable 63-bit number for an id; all seeded draws of the sample start from it."""
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "little") >> 1
