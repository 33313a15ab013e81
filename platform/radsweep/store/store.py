"""The store: a folder whose records are the truth of every sweep. Each is written whole, by one writer.

STORE/cells/KEY/record.json, checkpoint/   a finished trial, found again by every later sweep; what each query of the
    test split got lies beside it, in queries.parquet
STORE/stages/KEY/record.json, checkpoint/  a finished adaptation stage, likewise
STORE/sweeps/ID/sweep.json, report.html    a sweep: its question, its plan, its report
STORE/leases/HASH/holder.json              which process runs a question now
STORE/comparison/HASH/report.html          a report over several sweeps
STORE/tokenizers/, data/, mlflow.db        tokenizers trained here, phantom data sets, the default MLflow
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from radsweep.errors import InputError
from radsweep.evaluation.queries import QUERIES, QueryResults, read_queries
from radsweep.filesystem import write_atomically
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.selection import allowed

logger = logging.getLogger(__name__)

RECORD = "record.json"
QUERY_FILES = "queries*.parquet"  # one for each data set whose test split was read


def store_folder(setting: str | None) -> Path:
    """`run.store`, else RADSWEEP_STORE, else ~/radsweep; absolute."""
    return Path(setting or os.environ.get("RADSWEEP_STORE") or "~/radsweep").expanduser().resolve()


class Store:
    """Paths and records below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check_writable(self) -> None:
        """Raises InputError if nothing can be written there."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            message = f"{self.root} cannot be written ({error.strerror}); choose another"
            raise InputError(message, key="run.store") from None

    def cell_folder(self, key: str) -> Path:
        return self.root / "cells" / key

    def read_queries(self, key: str) -> QueryResults | None:
        """What each query of the test split got from a trial; None where it read none."""
        return read_queries(self.cell_folder(key) / QUERIES)

    def stage_folder(self, key: str) -> Path:
        return self.root / "stages" / key

    def sweep_folder(self, sweep: str) -> Path:
        return self.root / "sweeps" / sweep

    def scratch_folder(self, sweep: str) -> Path:
        """What Ray writes while a sweep runs; gone afterwards."""
        return self.root / "ray" / sweep

    def report_folder(self, sweep: SweepRecord) -> Path:
        """Of a sweep, or of several merged into one, whose id joins theirs."""
        if "+" in sweep.id:
            return self.root / "comparison" / hashlib.sha256(sweep.id.encode()).hexdigest()[:12]
        return self.sweep_folder(sweep.id) / "report"

    def sweep_file(self, sweep: str) -> Path:
        return self.sweep_folder(sweep) / "sweep.json"

    def result_files(self, key: str, stage: bool = False) -> tuple[Path, ...]:
        """What a report is made from: the record and, of a trial that read test splits, what each query got."""
        folder = self.stage_folder(key) if stage else self.cell_folder(key)
        return (folder / RECORD, *sorted(folder.glob(QUERY_FILES)))

    def tokenizer_file(self, data: str, vocabulary: int, fold: str = "") -> Path:
        return self.root / "tokenizers" / f"{data[:16]}{fold}-{vocabulary}.json"

    def read_cell(self, key: str) -> CellRecord | None:
        """A trial that ended, in whatever way; None where it never did or its record cannot be read."""
        return _read_record(self.cell_folder(key))

    def write_cell(self, record: CellRecord) -> None:
        write_atomically(self.cell_folder(record.key) / RECORD, record.model_dump_json())

    def read_stage(self, key: str) -> CellRecord | None:
        """An adaptation stage that ended, in whatever way; None as with `read_cell`."""
        return _read_record(self.stage_folder(key))

    def read_stages_of(self, cells: Mapping[str, CellRecord]) -> dict[str, CellRecord]:
        """{key: record} of the adaptation stages that cells started from."""
        keys = {key for record in cells.values() for key in record.stages.values()}
        records = {key: self.read_stage(key) for key in sorted(keys)}
        return {key: record for key, record in records.items() if record is not None}

    def write_stage(self, record: CellRecord) -> None:
        write_atomically(self.stage_folder(record.key) / RECORD, record.model_dump_json())

    def forget_stage(self, key: str, not_before: str = "") -> None:
        """A stage that failed, or ended before `not_before`, runs again: it has no record until it ended once more, and
        goes on from no checkpoint older than `not_before`."""
        _forget(self.stage_folder(key), not_before)

    def forget_cell(self, key: str, not_before: str = "") -> None:
        """As `forget_stage`."""
        _forget(self.cell_folder(key), not_before)

    def read_cells(self, keys: Iterable[str]) -> dict[str, CellRecord]:
        records = {key: self.read_cell(key) for key in keys}
        return {key: record for key, record in records.items() if record is not None}

    def read_records(self, sweep: SweepRecord) -> dict[str, CellRecord]:
        """Those of its cells that ended, and of the public models beside them; see `allowed`."""
        keys = {cell.key for cell in (*sweep.cells, *sweep.tuning, *sweep.references)}
        return allowed(sweep, self.read_cells(keys))

    def write_blind(self, sweep: str, record: CellRecord) -> tuple[Path, ...]:
        """A file of the record beside the sweep, for MLflow, where the cell's own says more than the sweep may."""
        file = self.sweep_folder(sweep) / "blind" / record.key / RECORD
        write_atomically(file, record.model_dump_json())
        return (file,)

    def forget_checkpoint(self, key: str) -> None:
        shutil.rmtree(self.cell_folder(key) / "checkpoint", ignore_errors=True)

    def fetch(self, keys: Iterable[str], not_before: str = "", stages: bool = False) -> None:
        """Fetch from the archive, where there is one, the trials or stages that are not here; none for a sweep that
        runs all anew (`not_before`)."""

    def in_archive(self, keys: Iterable[str], stages: bool = False) -> set[str]:
        """Those of some trials or stages that the archive has."""
        return set()

    def ended(self, record: CellRecord, stage: bool = False) -> None:
        """Told of every trial and stage that ended, or whose record has more: the archive, if there is one, gets it."""

    def flush(self, sweep: SweepRecord) -> str:
        """Send to the archive what of a sweep it lacks, its record and its report; what is left and why, else empty."""
        return ""

    def write_sweep(self, sweep: SweepRecord) -> None:
        write_atomically(self.sweep_file(sweep.id), sweep.model_dump_json())

    def read_sweep(self, sweep: str) -> SweepRecord:
        """The sweep of an id, or the latest whose name or id starts with `sweep`.

        Raises:
            InputError: none does.
        """
        found = [record for record in self.sweeps() if record.id == sweep or record.name == sweep]
        found = found or [record for record in self.sweeps() if record.id.startswith(sweep)]
        if not found:
            known = ", ".join(record.id for record in self.sweeps()[-5:]) or "none"
            raise InputError(f"{self.root}: no sweep {sweep!r} in this store; the latest are: {known}")
        return found[-1]

    def sweeps(self) -> list[SweepRecord]:
        """All sweeps, the latest last."""
        files = (self.root / "sweeps").glob("*/sweep.json")
        records = [SweepRecord.model_validate_json(file.read_bytes()) for file in files]
        return sorted(records, key=lambda record: record.created)


def _forget(folder: Path, not_before: str) -> None:
    record = _read_record(folder)
    if record is not None and (record.status != "finished" or record.ended < not_before):
        (folder / RECORD).unlink(missing_ok=True)
    if not_before:
        began = datetime.fromisoformat(not_before).timestamp()
        for state in folder.glob("resume*/state.json"):  # beside its place too: see `checkpoint.write_folder`
            with suppress(FileNotFoundError):  # another sweep's workers write a newer one
                if state.stat().st_mtime < began:
                    shutil.rmtree(state.parent, ignore_errors=True)


def _read_record(folder: Path) -> CellRecord | None:
    try:
        return CellRecord.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        logger.warning("%s cannot be read as a record: it counts as not run", folder)
        return None
