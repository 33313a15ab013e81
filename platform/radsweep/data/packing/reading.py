"""Read picture files of the source for the image cache, on this machine or with another `Reader`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from radsweep.data.images.codec import PictureError
from radsweep.data.images.read import read_picture

_AT_ONCE = 4  # files per task of a thread


class FileState(NamedTuple):
    """Size in bytes and time of the last change (nanoseconds since 1970), to detect changes; -1 for a missing file."""

    size: int = -1
    modified: int = -1


class ReadResult(NamedTuple):
    """A picture to store (PNG or JPEG), or its fault. pixels, source, low_contrast: as of `images.read.Picture`."""

    path: str
    state: FileState
    data: bytes = b""
    pixels: str = ""
    fault: str = ""
    source: str = ""
    low_contrast: bool = False


# From root, paths below it and longest side to results in any order.
Reader = Callable[[Path, Sequence[str], int | None], Iterator[ReadResult]]


def file_state(path: Path) -> FileState:
    """Return the state of a file; -1 and -1 if it cannot be found."""
    try:
        found = path.stat()
    except OSError:
        return FileState()
    return FileState(found.st_size, found.st_mtime_ns)


def read_file(root: Path, path: str, longest: int | None) -> ReadResult:
    """Read one picture. A fault is returned, not raised."""
    state = file_state(root / path)
    try:
        picture = read_picture(root / path, longest)
    except PictureError as error:
        return ReadResult(path, state, fault=str(error))
    return ReadResult(path, state, picture.data, picture.pixels, "", picture.source, picture.low_contrast)


def read_here(root: Path, paths: Sequence[str], longest: int | None) -> Iterator[ReadResult]:
    """Read with threads, since decoders release the GIL; a few pictures are in memory at a time."""

    def read(some: Sequence[str]) -> list[ReadResult]:
        return [read_file(root, path, longest) for path in some]

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[list[ReadResult]]] = deque()
        try:
            for start in range(0, len(paths), _AT_ONCE):
                waiting.append(pool.submit(read, paths[start : start + _AT_ONCE]))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
