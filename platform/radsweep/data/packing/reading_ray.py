"""A `Reader` on all nodes of a Ray cluster. Ray Data sends paths to them and pictures back, ready to be stored."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import ray.data  # here, since it sets up its own logging, which is turned down when Ray is connected

from radsweep.data.packing.reading import FileState, ReadResult, read_file

_PER_TASK = 128  # files
_AT_ONCE = 16  # pictures in a worker's memory before they go to the object store
_NO_ROOT = "no root"
_SCHEMA = pa.schema(
    [
        ("path", pa.binary()),  # bytes as in the file system, not always UTF-8
        ("size", pa.int64()),
        ("modified", pa.int64()),
        ("data", pa.large_binary()),
        ("pixels", pa.string()),
        ("fault", pa.string()),
        ("source", pa.string()),
        ("low_contrast", pa.bool_()),
    ]
)


def read_on_ray(root: Path, paths: Sequence[str], longest: int | None) -> Iterator[ReadResult]:
    """Read with the Ray cluster that this process is connected to, whose nodes all see `root` under the same path.

    Pictures arrive as they are ready. Ray slows reading down if this side is slower.

    Raises:
        OSError: a node does not see the root, or Ray failed; what was yielded before stays valid.
    """
    if not paths:
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    root = root.resolve()
    names = [os.fsencode(path) for path in paths]
    tables = [pa.table({"path": names[at : at + _PER_TASK]}) for at in range(0, len(names), _PER_TASK)]
    read = partial(_read, root=root, longest=longest)
    pictures = ray.data.from_arrow(tables).map_batches(read, batch_size=_AT_ONCE, batch_format="pyarrow")
    try:
        for batch in pictures.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
            for row in batch.to_pylist():
                if row["fault"] == _NO_ROOT:
                    where = row["data"].decode()
                    raise OSError(errno.ENOENT, f"not found on {where}; give a folder that all nodes share", str(root))
                state = FileState(row.pop("size"), row.pop("modified"))
                yield ReadResult(os.fsdecode(row.pop("path")), state, **row)
    except ray.exceptions.RayError as error:
        line = " ".join(str(error).split())[:200]
        raise OSError(errno.EIO, f"Ray failed while it read pictures ({line})", str(root)) from error


def _read(batch: pa.Table, root: Path, longest: int | None) -> pa.Table:
    """Read a batch of paths in a worker."""
    paths = [os.fsdecode(path) for path in batch["path"].to_pylist()]
    if root.is_dir():
        readings = [read_file(root, path, longest) for path in paths]
    else:  # else all of its pictures would count as missing
        readings = [ReadResult(path, FileState(), os.uname().nodename.encode(), fault=_NO_ROOT) for path in paths]
    rows = [(os.fsencode(reading.path), *reading.state, *reading[2:]) for reading in readings]
    return pa.table([list(column) for column in zip(*rows, strict=True)], schema=_SCHEMA)
