"""Entries on disk until MLflow has them: one file each, written atomically, in the order they came."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radsweep.data.folder import sync
from radsweep.tracking.entry import Entry


class Spool:
    """A folder of waiting entries; any number of processes may add, one at a time may send."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last = 0
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Keep an entry; once this returns, neither a kill nor a power cut loses it.

        Raises:
            OSError: the disk is full or away.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            path = self.folder / f"{self._last:020d}-{os.getpid()}.json"
        unfinished = path.with_suffix(".unfinished")
        try:
            with open(unfinished, "w", encoding="utf-8") as file:
                json.dump(entry.model_dump(exclude_defaults=True), file)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        os.replace(unfinished, path)
        sync(self.folder)

    def waiting(self) -> list[Path]:
        """Files of the entries that are not sent yet, oldest first."""
        return sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []

    def read(self, path: Path) -> Entry:
        return Entry.model_validate(json.loads(path.read_text(encoding="utf-8")))

    def set_aside(self, path: Path) -> None:
        """Keep an entry that MLflow will never take, out of the way of the others."""
        (self.folder / "refused").mkdir(exist_ok=True)
        os.replace(path, self.folder / "refused" / path.name)

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """True for the one process that may send now; False while another one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
