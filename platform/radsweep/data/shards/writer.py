"""Parquet shards of one kind and split, written in bounded memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from radsweep.data import storage
from radsweep.data.shards.schema import SHARD_SCHEMA, Shard, Split, Study, StudyKind
from radsweep.errors import InputError

GROUP_ROWS = 64  # rows that a streaming reader holds at a time
GROUP_BYTES = 32 * 2**20
_IMAGE_DATA = "images.list.element.data"
_COMPRESSED = ("study_id", "patient_id", "split", "report", "labels.key_value.key", "labels.key_value.value")


class ShardWriter:
    """Write studies one by one; `close` returns the shards."""

    def __init__(self, folder: Path, kind: StudyKind, split: Split, rows_per_shard: int) -> None:
        self._folder, self._kind, self._split, self._rows_per_shard = folder, kind, split, rows_per_shard
        self._rows: list[dict[str, object]] = []
        self._bytes = 0
        self._file: pq.ParquetWriter | None = None
        self._path = ""
        self._rows_in_file = 0
        self._shards: list[Shard] = []

    def add(self, study: Study) -> None:
        self._rows.append(_row(study))
        self._bytes += sum(len(image.data) for image in study.images)
        full = self._rows_in_file + len(self._rows) >= self._rows_per_shard
        if full or len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write_group()
        if full:
            self._finish_file()

    def close(self) -> list[Shard]:
        if self._rows:
            self._write_group()
        if self._file:
            self._finish_file()
        return self._shards

    def abandon(self) -> None:
        if self._file:
            self._file.close()

    def _write_group(self) -> None:
        if self._file is None:
            self._path = f"{self._kind}/{self._split}-{len(self._shards):05d}.parquet"
            (self._folder / self._kind).mkdir(exist_ok=True)
            self._file = pq.ParquetWriter(
                self._folder / self._path,
                SHARD_SCHEMA,
                compression=dict.fromkeys(_COMPRESSED, "zstd"),
                use_dictionary=["split", "patient_id", "labels.key_value.key"],
                write_statistics=["split"],  # a report's or a picture's minimum means nothing
            )
        self._file.write_table(pa.Table.from_pylist(self._rows, schema=SHARD_SCHEMA))
        self._rows_in_file += len(self._rows)
        self._rows, self._bytes = [], 0

    def _finish_file(self) -> None:
        assert self._file
        self._file.close()
        path = self._folder / self._path
        _check_complete(path, self._kind)
        self._shards.append(
            Shard(
                path=self._path,
                kind=self._kind,
                split=self._split,
                rows=self._rows_in_file,
                bytes=path.stat().st_size,
                sha256=sha256_of(path),
            )
        )
        self._file, self._rows_in_file = None, 0


def sha256_of(path: str | Path) -> str:
    with storage.opened(str(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _row(study: Study) -> dict[str, object]:
    images = [{"image_id": image.image_id, "view": image.view, "data": image.data} for image in study.images]
    return {
        "study_id": study.study_id,
        "patient_id": study.patient_id,
        "split": study.split,
        "report": study.report,
        "images": images,
        "labels": list(study.labels.items()),
    }


def _check_complete(path: Path, kind: StudyKind) -> None:
    """Read the file again and check that its studies have a report and an image, if their kind has both."""
    table = pq.ParquetFile(path).read(columns=["report", "images.list.element.image_id"])
    has_report = pc.fill_null(pc.not_equal(table["report"], ""), False)
    without_report = len(table) - (pc.sum(has_report).as_py() or 0)
    without_image = pc.sum(pc.equal(pc.list_value_length(table["images"]), 0)).as_py() or 0
    if (kind != "images" and without_report) or (kind != "reports" and without_image):
        raise InputError(f"{path.name}: {without_report} studies have no report and {without_image} have no image")
