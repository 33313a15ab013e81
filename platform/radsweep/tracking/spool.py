"""Entries on disk until MLflow has them: files of one or more, written atomically, in the order they came."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from radsweep.filesystem import write_atomically
from radsweep.tracking.entry import Entry


class Spool:
    """A folder of waiting entries; any number of processes may add, one at a time may send."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last = 0
        self._lock = threading.Lock()

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep entries in one file; once this returns, neither a kill nor a power cut loses them.

        Raises:
            OSError: the disk is full or away.
        """
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            path = self.folder / f"{self._last:020d}-{os.getpid()}-{len(entries)}.json"
        write_atomically(path, json.dumps([entry.model_dump(exclude_defaults=True) for entry in entries]))

    def waiting(self) -> list[Path]:
        """Files of entries that are not sent yet, oldest first."""
        return sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []

    @property
    def left(self) -> int:
        """Entries that are not sent yet."""
        return sum(number_of_entries(path) for path in self.waiting())

    def read(self, path: Path) -> list[Entry]:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return [Entry.model_validate(one) for one in (kept if isinstance(kept, list) else [kept])]

    def set_aside(self, entry: Entry) -> None:
        """Keep an entry that MLflow will never take, out of the way of the others."""
        Spool(self.folder / "refused").add([entry])

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """Yield True for the one process that may send now, and False while another one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def number_of_entries(path: Path) -> int:
    """Number of entries that a file's name gives; 1 in an older spool, which kept one entry a file."""
    return int(path.stem.split("-")[2]) if path.stem.count("-") == 2 else 1
