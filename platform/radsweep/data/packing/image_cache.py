"""Pictures of the source, each read once and kept in one file until the shards are written, even after a kill."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import PIL

from radsweep import __version__
from radsweep.data.images import faults
from radsweep.data.packing.image_cache_index import Stored, add, take_over
from radsweep.data.packing.reading import Reader, file_state
from radsweep.errors import InputError

Progress = Callable[[str, int, int], None]  # current task, steps done, total steps
Say = Callable[[str], None]  # prints a line in the terminal

_PICTURES, _INDEX = ".spool", ".spool.index"
FILES = (_PICTURES, _INDEX)


class ImageCache:
    """Pictures by path on disk; memory holds a few at a time.

    If the folder has the FILES of an earlier process that packed the same root with the same settings, its pictures
    are not read again unless the source's file has changed.
    """

    def __init__(self, folder: Path, root: Path, longest: int | None) -> None:
        self._root, self._longest = root, longest
        self._file, self._index = _open(folder / _PICTURES), _open(folder / _INDEX)
        made = {"root": os.path.realpath(root), "longest": longest, "radsweep": __version__, "pillow": PIL.__version__}
        self._known, end = take_over(self._index, made, self._file.seek(0, os.SEEK_END))
        self._file.truncate(end)
        self.pictures: dict[str, Stored] = {}

    def __enter__(self) -> ImageCache:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._index.close()

    def fill(self, paths: Iterable[str], reader: Reader, progress: Progress, say: Say) -> None:
        """Read the pictures at `paths` (relative to the root), except those that an earlier process read."""
        wanted = list(dict.fromkeys(paths))
        known = [path for path in wanted if path in self._known]
        for done, path in enumerate(known, 1):
            stored, state = self._known[path]
            if state == file_state(self._root / path):
                self.pictures[path] = stored
            progress("looking for changed files", done, len(known))
        self._known = {}
        todo = [path for path in wanted if path not in self.pictures]
        if self.pictures:
            say(f"continuing: {len(self.pictures):,} of {len(wanted):,} pictures have been read already")
        at = self._file.seek(0, os.SEEK_END)
        for done, reading in enumerate(reader(self._root, todo, self._longest), 1):
            data = reading.data
            stored = Stored(at, len(data), zlib.crc32(data), *reading[3:])
            self.pictures[reading.path] = stored
            at += self._file.write(data)
            if reading.fault in ("", faults.BLANK):  # all others are tried again, since the file may be repaired
                self._file.flush()  # before the index lists it
                add(self._index, reading.path, stored, reading.state)
            progress("reading pictures", done, len(todo))

    def read(self, path: str) -> bytes:
        """Return the picture as it will be stored. Raises InputError if its bytes on disk are damaged."""
        stored = self.pictures[path]
        self._file.seek(stored.offset)
        data = self._file.read(stored.length)
        if zlib.crc32(data) != stored.checksum:
            raise InputError("pictures that an interrupted pack had read are damaged; run the command again")
        return data


def _open(path: Path) -> BinaryIO:
    """Open a file that only its owner can read, since paths may contain patients' ids."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
