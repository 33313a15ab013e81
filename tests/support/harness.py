"""Disturb real sweeps: a driver in its own process, moments found by watching its store, and its results."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
import psutil
import yaml

from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import Store

PLATFORM = Path(__file__).resolve().parents[2] / "platform"
INJECTED = Path(__file__).with_name("injected")  # a sitecustomize for drivers that die at an exact line
WORKER, SLOT = "ray::RayTrainWorker", "ray::ResourceTrainable"
LONGEST = 900.0  # seconds to wait for anything; the fault itself takes seconds on a quiet machine
TIMED = ("samples_per_second",)
TIMES = {"cost", "compute", "provenance", "stages", "subtitle"}  # parts of a report


class Driver:
    """`python -m radsweep sweep` of one experiment on one store, and the Ray that it starts."""

    def __init__(self, folder: Path, tree: dict[str, Any], seed: int) -> None:
        self.folder, self.tree = folder, tree
        self.random = random.Random(seed)
        self.file = folder / "experiment.yaml"
        self.store = Store(folder / "store")
        self.log = folder / "log"
        self.environment = os.environ | {
            "PYTHONPATH": str(PLATFORM),
            "RADSWEEP_STORE": str(self.store.root),
            "RAY_TMPDIR": str(folder / "r"),  # short: Unix sockets allow 107 bytes
            "PYTHONUNBUFFERED": "1",
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "r").mkdir(exist_ok=True)
        self.write()
        self.process: psutil.Popen | None = None

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.tree), encoding="utf-8")

    def start(self, *options: str, **environment: str) -> psutil.Popen:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "radsweep", "sweep", str(self.file), *options]
            self.process = psutil.Popen(
                command, env=self.environment | environment, stdout=log, stderr=log, start_new_session=True
            )
        return self.process

    def wait(self) -> int:
        """Return the driver's exit code."""
        assert self.process is not None
        code = self.process.wait(LONGEST)
        assert code is not None
        return int(code)

    def resume(self) -> None:
        """Resume the sweep to its end; a failure shows the log."""
        self.start("--resume")
        assert self.wait() == 0, self.log_text()[-3000:]

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill the driver with -9; its Ray dies with it."""
        if self.process is None:
            return
        below = self.processes()
        with suppress(psutil.NoSuchProcess):
            self.process.kill()
        self.process.wait(60)
        _, left = psutil.wait_procs(below, timeout=60)
        for process in left:  # only ours: they were started by our driver
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def processes(self, name: str = "") -> list[psutil.Process]:
        """Processes that the driver started, by the beginning of their titles."""
        assert self.process is not None
        with suppress(psutil.NoSuchProcess):
            return [p for p in self.process.children(recursive=True) if _title(p).startswith(name)]
        return []

    def until(self, what: str, there: Callable[[], Any], every: float = 0.02) -> Any:
        """Wait for a moment. The driver must not end before it."""
        began = time.monotonic()
        while not (found := there()):
            assert self.process is not None
            assert self.process.poll() is None, f"the sweep ended before {what}:\n{self.log_text()[-3000:]}"
            assert time.monotonic() - began < LONGEST, f"{what} did not come:\n{self.log_text()[-3000:]}"
            time.sleep(every)
        return found

    # moments

    def trial_begins(self) -> Path:
        """Wait until one of the first cells has begun; returns its folder."""
        nth = self.random.randint(1, 3)
        return self.until(f"cell {nth} began", lambda: _nth(self.store.root.glob("cells/*/lock"), nth))

    def during_a_trial(self) -> Path:
        """Wait until some time within a trial, judged by an earlier one; returns the folder of the cell."""
        self.until("a first record", lambda: self.records())
        seconds = sorted(record.seconds["total"] for record in self.records().values())[0]
        self.until("another trial", self.under_way)
        time.sleep(self.random.random() * seconds / 2)
        return self.until("a trial under way", self.under_way)

    def at_a_record(self) -> Path:
        """Wait until a cell has its last checkpoint and no record yet."""
        return self.until("a record", lambda: self._ending("cells"), every=0.001)

    def at_a_stage(self) -> Path:
        """Wait until an adaptation stage runs."""
        return self.until("a stage", lambda: _nth(self.store.root.glob("stages/*/lock"), 1))

    def under_way(self) -> Path | None:
        """The folder of a cell that a worker computes."""
        begun = [lock.parent for lock in self.store.root.glob("cells/*/lock")]
        return next((folder for folder in begun if not (folder / "record.json").exists()), None)

    def _ending(self, kind: str) -> Path | None:
        ended = (folder.parent for folder in self.store.root.glob(f"{kind}/*/checkpoint"))
        return next((folder for folder in ended if not (folder / "record.json").exists()), None)

    def worker_at(self, folder: Path) -> psutil.Process | None:
        """The worker that holds the lock of a cell or a stage."""
        for process in self.processes(WORKER):
            with suppress(psutil.Error):
                if any(Path(file.path) == folder / "lock" for file in process.open_files()):
                    return process
        return None

    # results

    def records(self) -> dict[str, CellRecord]:
        keys = [path.parent.name for path in self.store.root.glob("cells/*/record.json")]
        return self.store.read_cells(keys)

    def sweep(self) -> SweepRecord:
        return self.store.sweeps()[-1]

    def table(self) -> dict[str, Any]:
        """Everything that must be the same despite the fault: each cell's numbers, and the report's statistics."""
        sweep = self.sweep()
        cells = self.store.read_cells({cell.key for cell in sweep.cells})
        text = (self.store.report_folder(sweep) / "report.json").read_text(encoding="utf-8")
        report = json.loads(text.replace(self.tree["data"]["shards"], "SHARDS"))  # some faults use their own copy
        return {
            "status": sweep.status,
            "cells": {cell.number: (cell.key, cell.arm) for cell in sweep.cells},
            "records": {key: _numbers(record) for key, record in cells.items()},
            "report": _statistics(report),
        }

    def check_mlflow(self, uri: str | None = None) -> None:
        """Check for one run per position, with the metrics of its record, and none that still runs."""
        sweep = self.sweep()
        records = self.store.read_cells({cell.key for cell in sweep.cells})
        client = mlflow.MlflowClient(uri or f"sqlite:///{self.store.root / 'mlflow.db'}")
        experiment = client.get_experiment_by_name(sweep.name)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], f"tags.`radsweep.sweep` = '{sweep.id}'")
        assert {run.info.status for run in runs} <= {"FINISHED", "FAILED"}, [run.info.status for run in runs]
        trials = [run for run in runs if run.data.tags["radsweep.role"] == "trial"]
        assert sorted(int(run.data.tags["radsweep.place"]) for run in trials) == [c.number for c in sweep.cells]
        for run in trials:
            record = records[run.data.tags["radsweep.cell"]]
            if record.status == "finished":
                name = sweep.select.removeprefix("val/")
                assert run.data.metrics[f"best/{name}"] == record.best[sweep.select]
                looks = client.get_metric_history(run.info.run_id, sweep.select)
                assert sorted(look.step for look in looks) == [look.step for look in record.history]


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _nth(paths: Iterator[Path], number: int) -> Path | None:
    found = sorted(paths, key=lambda path: path.stat().st_mtime)
    return found[number - 1].parent if len(found) >= number else None


def _numbers(record: CellRecord) -> dict[str, Any]:
    history = [
        (look.step, {name: value for name, value in look.metrics.items() if not name.endswith(TIMED)})
        for look in record.history
    ]
    return {
        "status": record.status,
        "best": record.best,
        "final": record.final,
        "steps": record.steps,
        "subset": record.subset_sha256,
        "stages": record.stages,
        "history": history,
    }


def _statistics(report: Any) -> Any:
    """The statistics of a report, without when and where it ran and how long it took."""
    if isinstance(report, dict):
        return {key: _statistics(value) for key, value in report.items() if key not in TIMES}
    if isinstance(report, list):
        return [_statistics(value) for value in report]
    return re.sub(r"[\d.]+ ×", "N ×", report) if isinstance(report, str) else report


def kill(process: psutil.Process | None) -> None:
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


def copy_template(template: Path, store: Path) -> None:
    store.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, store / "mlflow.db")
