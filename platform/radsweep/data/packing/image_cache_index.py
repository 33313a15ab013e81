"""The list of what a spool holds: a line for each picture, appended once its bytes are written, cut back where torn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from radsweep.data.packing.reading import State


class Stored(NamedTuple):
    """Where a picture stands in the spool, its checksum (CRC-32), the hash of its pixels; or what keeps it out."""

    offset: int = 0
    length: int = 0
    checksum: int = 0
    pixels: str = ""
    fault: str = ""


Known = dict[str, tuple[Stored, State]]  # by path; the state that the source's file was read in


def take_over(file: BinaryIO, made: Mapping[str, object], spooled: int) -> tuple[Known, int]:
    """What an earlier process listed, and how many bytes of its spool that covers; the list then ends there.

    made: the root and all else that decides a picture's bytes; a list made otherwise is emptied. spooled: bytes of
    the spool. A line torn by a kill, and lines of pictures that the spool does not hold in full, are cut off.
    """
    known: Known = {}
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


def add(file: BinaryIO, path: str, stored: Stored, state: State) -> None:
    file.write(json.dumps([path, *stored, *state]).encode() + b"\n")  # escapes what is no UTF-8 in a path, both ways
    file.flush()


def _parsed(line: bytes) -> tuple[str, Stored, State] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        path, offset, length, checksum, pixels, fault, size, modified = json.loads(line)
    except ValueError:  # a crash of the machine may leave zeros
        return None
    return path, Stored(offset, length, checksum, pixels, fault), State(size, modified)
