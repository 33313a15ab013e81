"""Index of the image cache: a line for each picture, appended once its bytes are written; torn lines are cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from radsweep.data.packing.reading import FileState


class Stored(NamedTuple):
    """Position of a picture in the cache, its checksum (CRC-32) and what was found out about it; or the fault it has.

    pixels, source, low_contrast: as of `images.read.Picture`.
    """

    offset: int = 0
    length: int = 0
    checksum: int = 0
    pixels: str = ""
    fault: str = ""
    source: str = ""
    low_contrast: bool = False


CacheIndex = dict[str, tuple[Stored, FileState]]  # by path; the state of the source's file when it was read


def take_over(file: BinaryIO, made: Mapping[str, object], spooled: int) -> tuple[CacheIndex, int]:
    """Return the pictures that an earlier process listed, and how many bytes of its cache they cover.

    made: the root and everything else that decides a picture's bytes; an index made with other values is emptied.
    spooled: bytes in the cache. A line torn by a kill, and lines of pictures that the cache does not hold in full, are
    cut off.
    """
    known: CacheIndex = {}
    header = json.dumps(made).encode() + b"\n"
    end = 0
    file.seek(0)
    if file.readline() == header:
        whole = file.tell()
        for line in file:
            if (found := _parsed(line)) is None or found[1].offset + found[1].length > spooled:
                break
            path, stored, state = found
            known[path] = stored, state
            end = max(end, stored.offset + stored.length)
            whole += len(line)
        file.seek(whole)
        file.truncate()
    else:
        file.seek(0)
        file.truncate()
        file.write(header)
    file.flush()
    return known, end


def add(file: BinaryIO, path: str, stored: Stored, state: FileState) -> None:
    file.write(
        json.dumps([path, *stored, *state]).encode() + b"\n"
    )  # escapes bytes of a path that are not UTF-8, both ways
    file.flush()


def _parsed(line: bytes) -> tuple[str, Stored, FileState] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        path, *stored, size, modified = json.loads(line)
        return path, Stored(*stored), FileState(size, modified)
    except (ValueError, TypeError):  # a crash of the machine may leave zeros
        return None
