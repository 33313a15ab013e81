"""A store whose finished trials, stages and reports are in an object store as well, for stores on other clusters.

ARCHIVE/cells/KEY/, stages/KEY/, sweeps/ID/ are as in the store (`radsweep.sweep.store`), without checkpoints of trials.
A record is sent last and fetched last: where it is, the rest is.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from radsweep.data import places
from radsweep.errors import InputError
from radsweep.spec.experiment import Run
from radsweep.sweep.locks import Lock
from radsweep.sweep.store import RECORD, Store, store_folder
from radsweep.training.record import CellRecord, SweepRecord

AT_ONCE = 8  # files on their way
PROBE = "probe"
Kind = Literal["cells", "stages"]


def open_store(run: Run, where: str) -> Store:
    """The store of a sweep, with its archive where it has one (`run.archive`, else RADSWEEP_ARCHIVE).

    Raises:
        InputError: an archive that cannot be one.
    """
    root = store_folder(run.store)
    place = archive_place(run.archive)
    if place is None:
        return Store(root)
    try:
        return ArchivedStore(root, places.absolute(place))
    except InputError as error:
        raise InputError(f"{where}: run.archive: {error}") from None


def archive_place(setting: str | None) -> str | None:
    return setting or os.environ.get("RADSWEEP_ARCHIVE") or None


def archive_of(sweep: SweepRecord, root: Path) -> ArchivedStore | None:
    """Where a sweep's results went as well.

    Raises:
        InputError: as `open_store`.
    """
    place = archive_place(sweep.experiment.get("run", {}).get("archive"))
    return None if place is None else ArchivedStore(root, places.absolute(place))


class ArchivedStore(Store):
    """A store that looks into the archive for what it does not have, and sends there what ends.

    While the archive does not answer, it is as empty, and what ends waits: `send_rest` finds it.
    """

    def __init__(self, root: Path, place: str) -> None:
        super().__init__(root)
        self.place = place
        self.trouble = ""  # why the archive was last out of reach
        self._senders = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive")
        self._there: dict[Kind, dict[str, list[str]]] = {}

    def check_writable(self, where: str) -> None:
        super().check_writable(where)
        try:
            places.write(places.inside(self.place, PROBE), b"radsweep\n")
        except InputError as error:
            raise InputError(f"{where}: run.archive: {error}") from None

    def read_cell(self, key: str) -> CellRecord | None:
        return super().read_cell(key) or (super().read_cell(key) if self._fetch("cells", key) else None)

    def read_stage(self, key: str) -> CellRecord | None:
        return super().read_stage(key) or (super().read_stage(key) if self._fetch("stages", key) else None)

    def read_cells(self, keys: Iterable[str]) -> dict[str, CellRecord]:
        asked = list(keys)
        list(self._senders.map(lambda key: self._fetch("cells", key), asked))  # many at once
        return super().read_cells(asked)

    def ended(self, record: CellRecord, stage: bool = False) -> None:
        if record.status == "finished":
            self._senders.submit(self._send, "stages" if stage else "cells", record.key)

    def send_rest(self, sweep: SweepRecord) -> str:
        self._senders.shutdown(wait=True)
        self._senders = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive")
        self._there.clear()
        cells = {cell.key for cell in (*sweep.cells, *sweep.tuning, *sweep.references)}
        waiting: list[tuple[Kind, str]] = [("cells", key) for key in cells if _finished(Store.read_cell(self, key))]
        stages = {cell.key for cell in sweep.stages}
        waiting += [("stages", key) for key in stages if _finished(Store.read_stage(self, key))]
        waiting = [(kind, key) for kind, key in waiting if key not in self._keys(kind)]
        sent = list(self._senders.map(lambda one: self._send(*one), waiting))
        report = sorted(file for file in self.report_folder(sweep).rglob("*") if file.is_file())
        sent += list(self._senders.map(self._send_file, (*report, self.sweep_file(sweep.id))))
        left = sent.count(False)
        return f"{left:,} results are not in {self.place} yet: {self.trouble}" if left else ""

    def _folder(self, kind: Kind, key: str) -> Path:
        return self.cell_folder(key) if kind == "cells" else self.stage_folder(key)

    def _keys(self, kind: Kind) -> dict[str, list[str]]:
        """{key: its files' names} of what is in the archive, as it was when this was first asked."""
        if kind not in self._there:
            found: defaultdict[str, list[str]] = defaultdict(list)
            try:
                for name in places.listing(places.inside(self.place, kind)):
                    key, _, file = name.partition("/")
                    found[key].append(file)
            except InputError as error:
                self.trouble = str(error)
            self._there[kind] = {key: files for key, files in found.items() if RECORD in files}
        return self._there[kind]

    def _fetch(self, kind: Kind, key: str) -> bool:
        """Whether the store has it now, and had not before."""
        folder = self._folder(kind, key)
        if (folder / RECORD).exists() or key not in self._keys(kind):
            return False
        with Lock(folder) as lock:  # where another group is just making it, its own counts
            if not lock.take() or (folder / RECORD).exists():
                return False
            try:
                for name in sorted(self._keys(kind)[key], key=lambda name: (name == RECORD, name)):
                    places.fetch(places.inside(self.place, f"{kind}/{key}/{name}"), folder / name)
            except (InputError, OSError) as error:
                self.trouble = str(error)
                return False
        return True

    def _send(self, kind: Kind, key: str) -> bool:
        folder = self._folder(kind, key)
        files = [*folder.glob("*.parquet")]
        if kind == "stages":
            files += [file for file in (folder / "checkpoint").rglob("*") if file.is_file()]
        return all(self._send_file(file) for file in (*files, folder / RECORD))

    def _send_file(self, file: Path) -> bool:
        try:
            places.send(file, places.inside(self.place, file.relative_to(self.root).as_posix()))
        except (InputError, OSError) as error:
            self.trouble = str(error)
            return False
        return True


def _finished(record: CellRecord | None) -> bool:
    return record is not None and record.status == "finished"
