"""A store whose finished trials, stages and reports are in an object store as well, for stores on other clusters.

ARCHIVE/cells/KEY/, stages/KEY/, sweeps/ID/ are as in the store (`radsweep.store.store`), without checkpoints of trials.
A record is sent last and fetched last: where it is, the rest is.
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

AT_ONCE = 8  # files on their way
PAUSE = 60.0  # seconds without another try, after the archive was out of reach
PROBE = "probe"
RecordKind = Literal["cells", "stages"]
Listed = Mapping[str, int]  # name of a file -> bytes
ArchiveListing = Mapping[str, Listed]  # by key


def open_store(run: Run) -> Store:
    """The store of a sweep, with its archive where it has one (`run.archive`, else RADSWEEP_ARCHIVE).

    Raises:
        InputError: an archive that cannot be one.
    """
    root = store_folder(run.store)
    place = archive_place(run)
    if place is None:
        return Store(root)
    with explaining(key="run.archive"):
        return ArchivedStore(root, storage.absolute(place))


def archive_place(run: Run) -> str | None:
    place = run.archive or os.environ.get("RADSWEEP_ARCHIVE")
    return storage.absolute(place) if place and not storage.is_remote(place) else place or None


class ArchivedStore(Store):
    """A store that fetches from the archive what it is told to, and sends there what ends.

    While the archive is out of reach it is as empty, and what ends waits: `flush` finds it by the sizes of files.
    """

    def __init__(self, root: Path, place: str) -> None:
        super().__init__(root)
        self.place = place
        self.trouble = ""  # why the archive was last out of reach
        self._tried = -PAUSE  # when that was
        self._senders = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive")
        self._listings: dict[RecordKind, ArchiveListing] = {}
        self._given: set[str] = set()  # stages that were to be sent

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
        """Its stages go before it: a search's trials make them themselves."""
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
            return f"Nothing could be sent to {self.place}: {error}"
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
        return f"{left:,} results are not in {self.place} yet: {self.trouble}" if left else ""

    def _unchanged(self, sweep: SweepRecord, there: Listed) -> dict[str, int]:
        """Files of the report that the archive has as they are here; what an earlier report left is removed.

        A resumed sweep may recommend another trial, and its files can have the sizes of the first one's: small files
        are compared, and weights are those of the state.json beside them.
        """
        folder, place = self.sweep_folder(sweep.id), storage.inside(self.place, f"sweeps/{sweep.id}")
        known = [name for name in there if name.startswith("report/")]
        same: dict[str, int] = {}
        with suppress(InputError, OSError):  # out of reach: what cannot be compared is sent, and sending says so
            for name in known:
                compared = f"{name.rpartition('/')[0]}/state.json" if name.endswith(".safetensors") else name
                if (folder / name).is_file() and (folder / compared).is_file() and compared in there:
                    with storage.opened(storage.inside(place, compared)) as sent:
                        if sent.read() == (folder / compared).read_bytes():
                            same[name] = there[name]
            for name in set(known) - same.keys():  # before the new is sent: no weights stay beside another's state
                storage.remove(storage.inside(place, name))
        return same

    def _folder(self, kind: RecordKind, key: str) -> Path:
        return self.cell_folder(key) if kind == "cells" else self.stage_folder(key)

    def _known(self, kind: RecordKind) -> ArchiveListing:
        """What was in the archive when this was first asked."""
        if kind not in self._listings:
            try:
                self._listings[kind] = self._listing(kind)
            except InputError as error:
                self.trouble, self._listings[kind] = str(error), {}
        return self._listings[kind]

    def _listing(self, kind: RecordKind) -> ArchiveListing:
        """Of what is whole. Raises: InputError: it is out of reach."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, size in storage.listing(storage.inside(self.place, kind)).items():
            key, _, file = name.partition("/")
            found[key][file] = size
        return {key: files for key, files in found.items() if RECORD in files}

    def _fetch(self, kind: RecordKind, key: str) -> None:
        folder = self._folder(kind, key)
        with Lock(folder) as lock:  # where another group is just making it, its own counts
            if not lock.take() or (folder / RECORD).exists():
                return
            try:
                for name in sorted(self._known(kind)[key], key=lambda name: (name == RECORD, name)):
                    storage.fetch(storage.inside(self.place, f"{kind}/{key}/{name}"), folder / name)
            except (InputError, OSError) as error:
                self.trouble = str(error)

    def _send(self, kind: RecordKind, key: str, there: Mapping[str, int]) -> bool:
        """Whether all files of a cell or stage are in the archive; `there`: those that are, by their size."""
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
