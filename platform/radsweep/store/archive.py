"""Archive: a copy of finished trials, stages and reports in an object store, shared by stores on several clusters.

ARCHIVE/cells/KEY/, stages/KEY/, sweeps/ID/ are as in the store (`radsweep.store.store`), without checkpoints of trials.
A record is sent last and fetched last: if it is there, the other files are too.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from radsweep.config.run import Run
from radsweep.data import storage
from radsweep.errors import InputError, explaining
from radsweep.store.locks import Lock
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import RECORD, Store, store_folder

AT_ONCE = 8  # files in transfer
PAUSE = 60.0  # seconds until the next attempt after the archive was unreachable
PROBE = "probe"
RecordKind = Literal["cells", "stages"]
Listed = Mapping[str, int]  # name of a file -> bytes
ArchiveListing = Mapping[str, Listed]  # by key


def open_store(run: Run) -> Store:
    """Open the store of a sweep, with its archive if it has one (`run.archive`, else RADSWEEP_ARCHIVE).

    Raises:
        InputError: the address cannot be that of an archive.
    """
    root = store_folder(run.store)
    place = archive_place(run)
    if place is None:
        return Store(root)
    with explaining(key="run.archive"):
        return ArchivedStore(root, storage.absolute_place(place))


def archive_place(run: Run) -> str | None:
    place = run.archive or os.environ.get("RADSWEEP_ARCHIVE")
    return storage.absolute_place(place) if place and not storage.is_remote(place) else place or None


class ArchivedStore(Store):
    """Store that fetches results from an archive on request, and uploads what ends.

    An archive that is unreachable counts as empty, and uploads wait: `flush` finds them by the sizes of files.
    """

    def __init__(self, root: Path, place: str) -> None:
        super().__init__(root)
        self.place = place
        self.trouble = ""  # why the archive was last unreachable
        self._tried = -PAUSE  # when that was
        self._senders = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive")
        self._listings: dict[RecordKind, ArchiveListing] = {}
        self._given: set[str] = set()  # stages whose upload was requested

    def check_writable(self) -> None:
        super().check_writable()
        with explaining(key="run.archive"):
            storage.write(storage.inside(self.place, PROBE), b"radsweep\n")
            for kind in ("cells", "stages"):
                self._listings[kind] = self._listing(kind)

    def fetch(self, keys: Iterable[str], not_before: str = "", stages: bool = False) -> None:
        if not_before:
            return
        kind: RecordKind = "stages" if stages else "cells"
        missing = [key for key in keys if not (self._folder(kind, key) / RECORD).exists()]
        wanted = [key for key in missing if key in self._known(kind)]
        with ThreadPoolExecutor(AT_ONCE) as fetchers:
            list(fetchers.map(lambda key: self._fetch(kind, key), wanted))

    def in_archive(self, keys: Iterable[str], stages: bool = False) -> set[str]:
        return set(keys) & self._known("stages" if stages else "cells").keys()

    def ended(self, record: CellRecord, stage: bool = False) -> None:
        """Upload a record and its stages. Stages go first: a search's trials compute them themselves."""
        if record.status != "finished":
            return
        for key in set(record.stages.values()) - self._given - self._known("stages").keys():
            if _finished(self.read_stage(key)):
                self._given.add(key)
                self._senders.submit(self._send, "stages", key, {})
        self._senders.submit(self._send, "stages" if stage else "cells", record.key, {})

    def flush(self, sweep: SweepRecord) -> str:
        self._senders.shutdown(wait=True, cancel_futures=True)
        self._tried = -PAUSE
        try:
            cells, stages = self._listing("cells"), self._listing("stages")
            there = storage.listing(storage.inside(self.place, f"sweeps/{sweep.id}"))
        except InputError as error:
            return f"Cannot upload to {self.place}: {error}"
        waiting: list[tuple[RecordKind, str, Mapping[str, int]]] = []
        for cell in {cell.key: cell for cell in (*sweep.cells, *sweep.tuning, *sweep.references)}.values():
            if _finished(self.read_cell(cell.key)):
                waiting.append(("cells", cell.key, cells.get(cell.key, {})))
        waiting += [("stages", s.key, stages.get(s.key, {})) for s in sweep.stages if _finished(self.read_stage(s.key))]
        report = [file for file in self.report_folder(sweep).rglob("*") if file.is_file()]
        unchanged = self._unchanged(sweep, there)
        with ThreadPoolExecutor(AT_ONCE) as senders:
            sent = list(senders.map(lambda one: self._send(*one), waiting))
            folder = self.sweep_folder(sweep.id)
            sent += list(senders.map(lambda file: self._send_files([file], folder, unchanged), sorted(report)))
            sent.append(self._send_files([self.sweep_file(sweep.id)], folder, {}))
        left = sent.count(False)
        return f"{left:,} results are not in {self.place} yet ({self.trouble})" if left else ""

    def _unchanged(self, sweep: SweepRecord, there: Listed) -> dict[str, int]:
        """Return the files of the report that the archive has unchanged; others of an earlier report are removed there.

        A resumed sweep may recommend another trial, whose files can have the sizes of the first one's. So small files
        are compared, and weights count as equal if the state.json beside them is.
        """
        folder, place = self.sweep_folder(sweep.id), storage.inside(self.place, f"sweeps/{sweep.id}")
        known = [name for name in there if name.startswith("report/")]
        same: dict[str, int] = {}
        with suppress(InputError, OSError):  # unreachable: files that cannot be compared are sent, which reports it
            for name in known:
                compared = f"{name.rpartition('/')[0]}/state.json" if name.endswith(".safetensors") else name
                if (folder / name).is_file() and (folder / compared).is_file() and compared in there:
                    with storage.opened(storage.inside(place, compared)) as sent:
                        if sent.read() == (folder / compared).read_bytes():
                            same[name] = there[name]
            for name in set(known) - same.keys():  # before new ones are sent: no weights stay beside another's state
                storage.remove(storage.inside(place, name))
        return same

    def _folder(self, kind: RecordKind, key: str) -> Path:
        return self.cell_folder(key) if kind == "cells" else self.stage_folder(key)

    def _known(self, kind: RecordKind) -> ArchiveListing:
        """Return what was in the archive at the first call."""
        if kind not in self._listings:
            try:
                self._listings[kind] = self._listing(kind)
            except InputError as error:
                self.trouble, self._listings[kind] = str(error), {}
        return self._listings[kind]

    def _listing(self, kind: RecordKind) -> ArchiveListing:
        """List the complete results. Raises InputError if the archive is unreachable."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, size in storage.listing(storage.inside(self.place, kind)).items():
            key, _, file = name.partition("/")
            found[key][file] = size
        return {key: files for key, files in found.items() if RECORD in files}

    def _fetch(self, kind: RecordKind, key: str) -> None:
        folder = self._folder(kind, key)
        with Lock(folder) as lock:  # if another group is computing it, that result counts
            if not lock.take() or (folder / RECORD).exists():
                return
            try:
                for name in sorted(self._known(kind)[key], key=lambda name: (name == RECORD, name)):
                    storage.download(storage.inside(self.place, f"{kind}/{key}/{name}"), folder / name)
            except (InputError, OSError) as error:
                self.trouble = str(error)

    def _send(self, kind: RecordKind, key: str, there: Mapping[str, int]) -> bool:
        """Send the files of a cell or stage except those in `there`; True if all are in the archive."""
        folder = self._folder(kind, key)
        files = [*folder.glob("*.parquet")]
        if kind == "stages":
            files += [file for file in (folder / "checkpoint").rglob("*") if file.is_file()]
        return self._send_files([*files, folder / RECORD], folder, there)

    def _send_files(self, files: Iterable[Path], folder: Path, there: Mapping[str, int]) -> bool:
        for file in files:
            if there.get(file.relative_to(folder).as_posix()) == file.stat().st_size:
                continue
            if time.monotonic() - self._tried < PAUSE:
                return False
            try:
                storage.send(file, storage.inside(self.place, file.relative_to(self.root).as_posix()))
            except (InputError, OSError) as error:
                self.trouble, self._tried = str(error), time.monotonic()
                return False
        return True


def _finished(record: CellRecord | None) -> bool:
    return record is not None and record.status == "finished"
