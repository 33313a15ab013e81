"""Mirror of the store's records in MLflow, written while a sweep runs without delaying it.

An entry goes to a spool on disk; a background thread writes it to MLflow. Entries wait while MLflow is away. What is
left when the process ends is sent by the next one that mirrors the sweep, or by `radsweep sync`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from radsweep.store.records import CellRecord, PlannedCell, SweepRecord, Validation
from radsweep.tracking import run_fields, views
from radsweep.tracking.address import sanitise_uri
from radsweep.tracking.entry import Entry, RunStatus, Step, allowed_name
from radsweep.tracking.spool import Spool

logger = logging.getLogger(__name__)

LONGEST_WAIT = 30.0  # seconds between two tries while MLflow is away
LONGEST_END = 60.0  # seconds that the end of a sweep waits for MLflow


def spool_folder(store: Path, sweep: str) -> Path:
    return store / "spool" / sweep


class Mirror:
    """Mirror of one sweep in MLflow. Its methods return at once and never raise.

    Metrics are logged at the number of optimiser steps completed. `files` are in the store: an entry names them, and
    their content when it is sent is logged, so that the report can be made from only MLflow.
    """

    def __init__(self, uri: str, store: Path, sweep: SweepRecord) -> None:
        """Start the thread; `uri` is from `tracking_uri`, `store` the store's folder."""
        self._uri, self._store, self._sweep = uri, store, sweep
        self._design = run_fields.Design.of(sweep)
        self._places: dict[int, PlannedCell] = {}
        self._places_of: dict[str, dict[int, PlannedCell]] = {}  # by key of the cell
        for cell in sweep.cells:
            self._hold(cell)
        self._spool = Spool(spool_folder(store, sweep.id))
        self._missed = False  # an entry, since the disk was full
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pending(self) -> int:
        """Entries that MLflow does not have yet."""
        return self._spool.left

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep entries waiting in this context: writing to MLflow would slow computation in this process to half."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def start_sweep(self, files: Iterable[Path] = ()) -> None:
        """Start the sweep's own run, with the experiment file; also when a sweep is resumed."""
        now = _now()
        self._add(
            Entry(
                **self._sweep_run(now),
                params=run_fields.sweep_params(self._sweep),
                tags=run_fields.sweep_tags(self._sweep),
                status="RUNNING",
                texts={"experiment.yaml": yaml.safe_dump(_plain(self._sweep.experiment), sort_keys=False)},
                files=self._within(files),
                experiment_tags=views.experiment_tags(self._sweep, now),
            )
        )

    def start_trial(self, cell: PlannedCell, trial: Mapping[str, Any]) -> None:
        """Start the run of a trial or stage; `trial` is its full spec, as in its record."""
        self._hold(cell)
        self._add(self._trial_run(cell, trial, status="RUNNING"))

    def validation(self, key: str, validation: Validation) -> None:
        now = _now()
        for cell in self._holding(key):
            step = run_fields.validation_step(validation, now)
            self._add(Entry(**self._place(cell, now), history=(step,)))

    def finish_trial(self, record: CellRecord, files: Iterable[Path] = ()) -> None:
        """Log a trial that ended, in every place it fills; what MLflow has already is not sent again."""
        files = list(files)
        for cell in self._holding(record.key):
            self._add(self._ended(cell, record, files))

    def reuse_trials(self, found: Iterable[tuple[PlannedCell, CellRecord, Iterable[Path]]]) -> None:
        """Log trials or stages that an earlier sweep ran, each with its record and files, in one spool file."""
        entries = []
        for cell, record, files in found:
            self._hold(cell)
            started = run_fields.milliseconds(record.started, _now())
            entries.append(self._ended(cell, record, files).model_copy(update={"started": started}))
        if entries:
            self._add(*entries)

    def finish_sweep(
        self,
        sweep: SweepRecord,
        statistics: Mapping[str, float],
        artifacts: Path | None,
        files: Iterable[Path] = (),
        best: PlannedCell | None = None,
        candidate: PlannedCell | None = None,
    ) -> None:
        """Close the sweep's run with {metric name: value} over cells, and a folder of files: report, checkpoint, ...

        Args:
            best, candidate: what the report recommends, and what it names as promising.
        """
        self._sweep = sweep
        ended = run_fields.milliseconds(sweep.ended, _now())
        cost = {f"cost/{part}": value for part, value in sweep.cost.items()}
        metrics = {allowed_name(name): value for name, value in {**statistics, **cost}.items()}
        self._add(
            Entry(
                **self._sweep_run(ended),
                tags=run_fields.sweep_tags(sweep) | run_fields.selection_tags(sweep, best, candidate),
                summary=(Step(step=0, time=ended, metrics=metrics),),
                status=run_fields.sweep_status(sweep),
                artifacts=str(artifacts.absolute()) if artifacts else None,
                files=self._within(files),
                experiment_tags=views.experiment_tags(sweep, ended),
            )
        )

    def close(self, timeout: float = LONGEST_END) -> int:
        """Send what waits, for at most `timeout` seconds and one try if MLflow is away; return the entries left."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)
        left = self.pending
        if left:
            logger.warning(
                "%d MLflow entries wait in %s; `radsweep sync` sends them, or the sweep when it is resumed",
                left,
                self._spool.folder,
            )
        return left

    def _hold(self, cell: PlannedCell) -> None:
        if (before := self._places.get(cell.number)) is not None:
            del self._places_of[before.key][cell.number]
        self._places[cell.number] = cell
        self._places_of.setdefault(cell.key, {})[cell.number] = cell

    def _holding(self, key: str) -> list[PlannedCell]:
        return list(self._places_of.get(key, {}).values())

    def _within(self, files: Iterable[Path]) -> tuple[str, ...]:
        """Return paths below the store, which may have moved when a spool is sent."""
        return tuple(file.relative_to(self._store).as_posix() for file in files)

    def _sweep_run(self, time: int) -> dict[str, Any]:
        name = self._sweep.name
        return {"experiment": name, "sweep": self._sweep.id, "time": time, "name": f"{name} {self._sweep.id}"}

    def _place(self, cell: PlannedCell, time: int) -> dict[str, Any]:
        run = {"cell": cell.key, "place": cell.number, "name": run_fields.trial_name(self._design, cell)}
        return {**self._sweep_run(time), **run}

    def _trial_run(self, cell: PlannedCell, trial: Mapping[str, Any], status: RunStatus) -> Entry:
        return Entry(
            **self._place(cell, _now()),
            params=run_fields.trial_params(self._design, cell, trial),
            tags=run_fields.trial_tags(self._design, cell),
            status=status,
        )

    def _ended(self, cell: PlannedCell, record: CellRecord, files: Iterable[Path]) -> Entry:
        now = _now()
        entry = self._trial_run(cell, record.trial, status=run_fields.ended_status(record))
        return entry.model_copy(
            update={
                "time": run_fields.milliseconds(record.ended, now),
                "tags": entry.tags | run_fields.ended_tags(self._sweep, record),
                "starts_from": record.stages,
                "history": run_fields.history(record, now),
                "summary": run_fields.summary(record, now),
                "files": self._within(files),
            }
        )

    def _add(self, *entries: Entry) -> None:
        try:
            self._spool.add(entries)
        except OSError as error:
            if not self._missed:  # logged once: a full disk would be logged with every validation
                why = "%s cannot be written (%s); MLflow gets what it misses when the sweep is resumed"
                logger.warning(why, self._spool.folder, error.strerror)
            self._missed = True
        self._wake.set()

    def _work(self) -> None:
        from radsweep.tracking.sender import Delivery  # MLflow's imports take a second: here, not in the sweep

        delivery = Delivery(self._spool, self._uri, self._store, self._free.wait)
        wait = 0.0
        while True:
            closing = self._closing.is_set()
            self._wake.clear()
            reason = delivery.send_waiting()
            self._tell(reason, was_away=wait > 0)
            if closing:
                return
            if reason:
                wait = min(max(1.0, 2 * wait), LONGEST_WAIT)
                self._closing.wait(wait)
            else:
                wait = 0.0
                self._wake.wait()

    def _tell(self, reason: str | None, was_away: bool) -> None:
        mlflow = f"MLflow at {sanitise_uri(self._uri)}"
        if reason and not was_away:
            logger.warning("%s %s; results wait in %s and are sent later", mlflow, reason, self._spool.folder)
        elif was_away and not reason:
            logger.warning("%s is back; what waited is sent", mlflow)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _plain(tree: Any) -> Any:
    """JSON's own types only."""
    return json.loads(json.dumps(tree, default=str))
