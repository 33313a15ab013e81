"""The store: a folder whose records are the source of truth of every sweep. Each is written atomically, by one writer.

STORE/cells/KEY/record.json, checkpoint/   a finished trial, reused by every later sweep; the results of each query of
    the test split are in queries.parquet
STORE/stages/KEY/record.json, checkpoint/  a finished adaptation stage, likewise
STORE/sweeps/ID/sweep.json, report/        a sweep: its experiment, its plan, its report
STORE/leases/HASH/holder.json              which process runs an experiment now
STORE/comparison/HASH/                     a report over several sweeps
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
    """Absolute path of the store: `run.store`, else RADSWEEP_STORE, else ~/radsweep."""
    return Path(setting or os.environ.get("RADSWEEP_STORE") or "~/radsweep").expanduser().resolve()


class Store:
    """Paths and records below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check_writable(self) -> None:
        """Raise InputError if nothing can be written there."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            message = f"cannot write to {self.root} ({error.strerror}); choose another folder"
            raise InputError(message, key="run.store") from None

    def cell_folder(self, key: str) -> Path:
        return self.root / "cells" / key

    def read_queries(self, key: str) -> QueryResults | None:
        """Read the results of each query of the test split; None if the trial did not read it."""
        return read_queries(self.cell_folder(key) / QUERIES)

    def stage_folder(self, key: str) -> Path:
        return self.root / "stages" / key

    def sweep_folder(self, sweep: str) -> Path:
        return self.root / "sweeps" / sweep

    def scratch_folder(self, sweep: str) -> Path:
        """Folder that Ray writes to while a sweep runs; removed afterwards."""
        return self.root / "ray" / sweep

    def report_folder(self, sweep: SweepRecord) -> Path:
        """Folder of the report of a sweep, or of several merged into one, whose id joins theirs."""
        if "+" in sweep.id:
            return self.root / "comparison" / hashlib.sha256(sweep.id.encode()).hexdigest()[:12]
        return self.sweep_folder(sweep.id) / "report"

    def sweep_file(self, sweep: str) -> Path:
        return self.sweep_folder(sweep) / "sweep.json"

    def result_files(self, key: str, stage: bool = False) -> tuple[Path, ...]:
        """Files that a report is made from: the record, and the results of each query of test splits that were read."""
        folder = self.stage_folder(key) if stage else self.cell_folder(key)
        return (folder / RECORD, *sorted(folder.glob(QUERY_FILES)))

    def tokenizer_file(self, data: str, vocabulary: int, fold: str = "") -> Path:
        return self.root / "tokenizers" / f"{data[:16]}{fold}-{vocabulary}.json"

    def read_cell(self, key: str) -> CellRecord | None:
        """Read the record of a trial that ended, in whatever way; None if there is none or it cannot be read."""
        return _read_record(self.cell_folder(key))

    def write_cell(self, record: CellRecord) -> None:
        write_atomically(self.cell_folder(record.key) / RECORD, record.model_dump_json())

    def read_stage(self, key: str) -> CellRecord | None:
        """Read the record of an adaptation stage; None as in `read_cell`."""
        return _read_record(self.stage_folder(key))

    def read_stages_of(self, cells: Mapping[str, CellRecord]) -> dict[str, CellRecord]:
        """Read {key: record} of the adaptation stages that cells started from."""
        keys = {key for record in cells.values() for key in record.stages.values()}
        records = {key: self.read_stage(key) for key in sorted(keys)}
        return {key: record for key, record in records.items() if record is not None}

    def write_stage(self, record: CellRecord) -> None:
        write_atomically(self.stage_folder(record.key) / RECORD, record.model_dump_json())

    def forget_stage(self, key: str, not_before: str = "") -> None:
        """Remove the record of a stage that failed or ended before `not_before`, so that it runs again.

        Checkpoints older than `not_before` are removed too, so that it does not resume from them.
        """
        _forget(self.stage_folder(key), not_before)

    def forget_cell(self, key: str, not_before: str = "") -> None:
        """Do for a trial what `forget_stage` does for a stage."""
        _forget(self.cell_folder(key), not_before)

    def read_cells(self, keys: Iterable[str]) -> dict[str, CellRecord]:
        records = {key: self.read_cell(key) for key in keys}
        return {key: record for key, record in records.items() if record is not None}

    def read_records(self, sweep: SweepRecord) -> dict[str, CellRecord]:
        """Read the records of its cells that ended, and of public models; masked as in `allowed`."""
        keys = {cell.key for cell in (*sweep.cells, *sweep.tuning, *sweep.references)}
        return allowed(sweep, self.read_cells(keys))

    def write_blind(self, sweep: str, record: CellRecord) -> tuple[Path, ...]:
        """Write a copy of a record for MLflow, without the test results that the sweep may not show."""
        file = self.sweep_folder(sweep) / "blind" / record.key / RECORD
        write_atomically(file, record.model_dump_json())
        return (file,)

    def forget_checkpoint(self, key: str) -> None:
        shutil.rmtree(self.cell_folder(key) / "checkpoint", ignore_errors=True)

    def fetch(self, keys: Iterable[str], not_before: str = "", stages: bool = False) -> None:
        """Fetch trials or stages that are not here from the archive, if there is one.

        Nothing is fetched for a sweep that runs everything again (`not_before`).
        """

    def in_archive(self, keys: Iterable[str], stages: bool = False) -> set[str]:
        """Return the keys of those trials or stages that the archive has."""
        return set()

    def ended(self, record: CellRecord, stage: bool = False) -> None:
        """Upload a trial or stage that ended, or whose record was updated, to the archive, if there is one."""

    def flush(self, sweep: SweepRecord) -> str:
        """Upload what the archive lacks of a sweep, its record and its report. Return what is left and why, else ''."""
        return ""

    def write_sweep(self, sweep: SweepRecord) -> None:
        write_atomically(self.sweep_file(sweep.id), sweep.model_dump_json())

    def read_sweep(self, sweep: str) -> SweepRecord:
        """Read the sweep with this id or name; else the latest whose id starts with `sweep`.

        Raises:
            InputError: no such sweep exists.
        """
        found = [record for record in self.sweeps() if record.id == sweep or record.name == sweep]
        found = found or [record for record in self.sweeps() if record.id.startswith(sweep)]
        if not found:
            known = ", ".join(record.id for record in self.sweeps()[-5:]) or "none"
            raise InputError(f"no sweep {sweep!r} in the store {self.root}; the latest are: {known}")
        return found[-1]

    def sweeps(self) -> list[SweepRecord]:
        """List all sweeps, the latest last."""
        files = (self.root / "sweeps").glob("*/sweep.json")
        records = [SweepRecord.model_validate_json(file.read_bytes()) for file in files]
        return sorted(records, key=lambda record: record.created)


def _forget(folder: Path, not_before: str) -> None:
    record = _read_record(folder)
    if record is not None and (record.status != "finished" or record.ended < not_before):
        (folder / RECORD).unlink(missing_ok=True)
    if not_before:
        began = datetime.fromisoformat(not_before).timestamp()
        for state in folder.glob("resume*/state.json"):  # also unfinished ones: see `checkpoint.write_folder`
            with suppress(FileNotFoundError):  # another sweep's workers write a newer one
                if state.stat().st_mtime < began:
                    shutil.rmtree(state.parent, ignore_errors=True)


def _read_record(folder: Path) -> CellRecord | None:
    try:
        return CellRecord.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        logger.warning("cannot read the record in %s; the trial will be run again", folder)
        return None
