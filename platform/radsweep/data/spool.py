"""The source's pictures, each decoded once and set down in one file until the shards are written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from radsweep.data.pictures import BlankError, PictureError
from radsweep.data.rows import BLANK_IMAGE, NO_IMAGE, UNREADABLE
from radsweep.data.source import Picture, read_picture

Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all


@dataclass(frozen=True)
class Stored:
    """Where a picture stands in the spool, and the hash of its pixels; or the fault that kept it out."""

    offset: int = 0
    length: int = 0
    pixels: str = ""
    fault: str = ""


class Spool:
    """Pictures by path, on disk: memory holds a few at a time. Threads decode, since decoders free the GIL."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.pictures: dict[str, Stored] = {}

    def fill(self, root: Path, paths: Iterable[str], longest: int | None, progress: Progress) -> None:
        todo = list(dict.fromkeys(paths))
        for done, (path, result) in enumerate(_in_order(root, todo, longest), 1):
            if isinstance(result, Picture):
                self.pictures[path] = Stored(self._file.tell(), len(result.data), result.pixels)
                self._file.write(result.data)
            else:
                self.pictures[path] = Stored(fault=result)
            progress("reading pictures", done, len(todo))

    def read(self, path: str) -> bytes:
        stored = self.pictures[path]
        self._file.seek(stored.offset)
        return self._file.read(stored.length)


def _in_order(root: Path, paths: list[str], longest: int | None) -> Iterator[tuple[str, Picture | str]]:
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[str, Future[Picture | str]]] = deque()
        try:
            for path in paths:
                waiting.append((path, pool.submit(_read, root / path, longest)))
                if len(waiting) > 4 * workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _read(path: Path, longest: int | None) -> Picture | str:
    try:
        return read_picture(path, longest)
    except BlankError:
        return BLANK_IMAGE
    except PictureError:
        return UNREADABLE if os.path.exists(path) else NO_IMAGE
