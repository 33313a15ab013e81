"""Search everything that a sweep wrote for text that must not be there."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq


def contents(path: Path) -> Iterator[bytes]:
    """A file's name and bytes, and its decompressed contents."""
    yield str(path).encode()
    data = path.read_bytes()
    yield data
    if data.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(data))
        yield f"{table.schema.metadata}".encode()
        for column in table.columns:
            yield f"{column.to_pylist()}".encode()
    elif data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield "\n".join(database.iterdump()).encode()


def marked(folder: Path, *marks: str) -> list[str]:
    """Files below a folder that contain any of the marks, in upper or lower case."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    assert files
    wanted = [mark.lower().encode() for mark in marks]
    return [
        str(file.relative_to(folder))
        for file in files
        if any(mark in content.lower() for content in contents(file) for mark in wanted)
    ]
