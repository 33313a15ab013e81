"""Progress of a running sweep, written next to its record so that other processes can read it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from radsweep.config.metrics import Metric
from radsweep.filesystem import write_atomically
from radsweep.store.locks import SILENT
from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.store.store import Store

PROGRESS = "progress.json"
EVERY = 2.0  # seconds between two writes, at least
SweepState = Literal["running", "cut short", "finished", "failed", "interrupted"]


class Running(BaseModel):
    """Trial or adaptation stage that runs in a slot."""

    place: str  # arm, pairs and seed, in words
    since: float  # seconds of the epoch
    step: int = 0
    score: float | None = None  # of the latest validation


class Progress(BaseModel):
    """Progress of all trials of a sweep."""

    total: int | None = None  # None: hours limit the search, not a number
    counts: dict[str, int] = {}  # finished, reused, stopped, failed
    convergence: dict[str, int] = {}  # finished and stopped: converged, still rising, cannot tell
    running: dict[str, Running] = {}  # by key
    best: float | None = None  # validation score so far
    best_place: str = ""
    seconds_left: float | None = None
    told: float = 0.0  # time of the estimate, in seconds of the epoch
    holder: str = ""  # file with the heartbeat of the process that runs the experiment
    driver: tuple[str, int] = ("", 0)  # host and process of this sweep's driver

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    @property
    def seconds_left_now(self) -> float | None:
        """Time left now; the estimate is updated only when a trial ends, which may take hours."""
        return None if self.seconds_left is None else max(0.0, self.seconds_left - (time.time() - self.told))


class StatusWriter:
    """Write `Progress` from time to time; the driver calls it for each event of a trial."""

    def __init__(self, folder: Path, select: str, holder: Path | None) -> None:
        """`folder`: folder of the sweep; `select`: metric that ranks trials."""
        self.file, self.metric = folder / PROGRESS, Metric(select)
        driver = (socket.gethostname(), os.getpid())
        self.progress = Progress(holder=str(holder or ""), driver=driver)
        self._written = -EVERY
        self.write(at_once=True)

    def expect(self, total: int) -> None:
        """Set the number of all trials; 0 if it is not known."""
        self.progress.total = total or None
        self.write(at_once=True)

    def started(self, key: str, place: str) -> None:
        self.progress.running[key] = Running(place=place, since=time.time())
        self.write()

    def validated(self, key: str, step: int, score: float | None) -> None:
        if key in self.progress.running:
            self.progress.running[key].step, self.progress.running[key].score = step, score
        self.write()

    def left(self, key: str) -> None:
        """Note that a trial does not run in a slot any more."""
        self.progress.running.pop(key, None)
        self.write()

    def ended(self, place: str, counts: dict[str, int], score: float | None, seconds_left: float | None) -> None:
        now = self.progress
        now.counts, now.seconds_left, now.told = dict(counts), seconds_left, time.time()
        if score is not None and (now.best is None or self.metric.better(score, now.best)):
            now.best, now.best_place = score, place
        self.write()

    def write(self, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._written >= EVERY:
            self._written = time.monotonic()
            with suppress(OSError):  # a full disk: the space is for records
                write_atomically(self.file, self.progress.model_dump_json())


def in_words(cell: PlannedCell) -> str:
    """Describe a trial's position in its sweep's design."""
    if cell.stage:
        return f"the adaptation stage, {cell.stage}"
    fold = "" if cell.fold is None else f"fold {cell.fold}"
    replicate = "" if cell.tuning_replicate is None else f" of replicate {cell.tuning_replicate + 1}"
    seed = f"seed {cell.subset_seed}" if cell.tuning is None else f"tuning {cell.tuning + 1}{replicate}"
    return " / ".join(filter(None, [cell.arm, f"{cell.pairs or 'all'} pairs", seed, fold]))


def read_progress(store: Store, sweep: SweepRecord) -> Progress:
    """Read the progress that the driver wrote last; without one, derive it from the records."""
    with suppress(OSError, ValidationError):
        return Progress.model_validate_json((store.sweep_folder(sweep.id) / PROGRESS).read_bytes())
    records = store.read_records(sweep)
    cells = {cell.key: cell for cell in (*sweep.tuning, *sweep.cells)}
    known = {key: records[key] for key in cells if key in records and records[key].ended >= sweep.not_before}
    counts = Counter("reused" if r.sweep != sweep.id and r.status == "finished" else r.status for r in known.values())
    found = Progress(total=len(cells), counts=dict(counts))
    found.convergence = dict(Counter(r.convergence for r in known.values() if r.status != "failed"))
    scores = {key: record.best[sweep.select] for key, record in known.items() if sweep.select in record.best}
    if scores:
        best = Metric(sweep.select).best(scores, key=lambda key: scores[key])
        found.best, found.best_place = scores[best], in_words(cells[best])
    return found


def sweep_state(sweep: SweepRecord, progress: Progress) -> SweepState:
    """Return the state of a sweep. A record says "running" until its driver ends; without a heartbeat it was cut short.

    Another driver may be alive and run the same experiment in a sweep of its own.
    """
    if sweep.status != "running":
        return sweep.status
    try:
        life = json.loads(Path(progress.holder).read_text(encoding="utf-8"))
        alive = (life["host"], life["pid"]) == progress.driver and time.time() - float(life["beat"]) < SILENT
    except (OSError, ValueError, KeyError, TypeError):
        return "cut short"
    return "running" if alive else "cut short"
