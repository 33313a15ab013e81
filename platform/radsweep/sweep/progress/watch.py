"""Watch a sweep from the driver: send each result to MLflow, and report it on the console."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.tune import Callback

from radsweep.config.metrics import Metric
from radsweep.config.stages import stage_spec
from radsweep.console import Console, duration
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord, Validation
from radsweep.store.selection import without_test
from radsweep.store.store import Store
from radsweep.sweep.progress.status import StatusWriter, in_words
from radsweep.sweep.progress.time_left import TimeLeft
from radsweep.sweep.slots.interruption import Interruption
from radsweep.sweep.slots.protocol import INTERRUPTED, lost_record
from radsweep.tracking.mirror import Mirror
from radsweep.training.task import Task

TOLD_EACH = 20  # reused trials up to which each has its own line


class ProgressCallback(Callback):
    """Callback of Ray Tune for every result. The sweep calls it for reused cells."""

    def __init__(
        self,
        store: Store,
        mirror: Mirror,
        console: Console,
        sweep: SweepRecord,
        time_left: TimeLeft,
        holder: Path | None = None,
    ) -> None:
        """`holder`: file with this process's heartbeat."""
        self.sweep, self.time_left = sweep, time_left
        self.status_writer = StatusWriter(store.sweep_folder(sweep.id), sweep.select, holder)
        self.interruption = Interruption(store.scratch_folder(sweep.id))
        self.store, self.mirror, self.console = store, mirror, console
        self.select, self.total = sweep.select, 0  # of trials; 0 if their number is not known
        self.ended: dict[str, CellRecord] = {}  # by key; without trial and history, which grow with the sweep
        self.counts = {"finished": 0, "reused": 0, "stopped": 0, "failed": 0}
        self.convergence: Counter[str] = Counter()
        self.how: dict[str, str] = {}  # how each trial ended, by key: several positions of a design may share a trial
        self.stages: dict[str, PlannedCell] = {}  # that ended, by key
        self.adapted: defaultdict[str, float] = defaultdict(float)  # how a stage ended -> seconds
        self.advance: Callable[[int], None] = lambda done: None

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: Tune pickles this for restoring, which we do not use."""
        return {}

    def reuse(self, found: Iterable[tuple[PlannedCell, CellRecord]]) -> None:
        """Note cells or stages that earlier sweeps ran; many at once are reported in one line."""
        seen = [(cell, *self._seen(cell, record)) for cell, record in found]
        self.mirror.reuse_trials(seen)
        new: dict[str, tuple[PlannedCell, CellRecord]] = {}
        for cell, record, _ in seen:
            if cell.key not in self.how:
                new.setdefault(cell.key, (cell, record))
        for cell, record in new.values():
            self._ended(cell, record, "reused", told=len(new) <= TOLD_EACH)
        if len(new) > TOLD_EACH:
            self.console.say(f"{len(self.how):>4}{self._of()}  reused    {len(new)} trials, run before")

    def expect(self, cells: Iterable[PlannedCell], more: int = 0) -> None:
        """Set all trials of the sweep; `more`: number that a search has not suggested yet."""
        distinct = {cell.key: cell for cell in cells}
        self.total = len(distinct) + more
        self.status_writer.expect(self.total)
        self.time_left.expect((cell for key, cell in distinct.items() if key not in self.how), more)

    def _seen(self, cell: PlannedCell, record: CellRecord) -> tuple[CellRecord, tuple[Path, ...]]:
        """Return the record as the sweep may see it, without masked test results, and its files."""
        if record.final and (cell.tuning is not None or self.sweep.kind == "search"):
            record = without_test(record)
            return record, self.store.write_blind(self.sweep.id, record)
        return record, self.store.result_files(cell.key, stage=bool(cell.stage))

    def reference(self, cell: PlannedCell, record: CellRecord) -> None:
        """Report a public model that was evaluated."""
        self.mirror.start_trial(cell, record.trial)
        self.mirror.finish_trial(record, self.store.result_files(cell.key))
        metric = str(Metric(self.select).on("test"))
        score = record.final.get(metric)
        outcome = record.error if score is None else f"{metric} {score:.3f}"
        self.console.say(f"   model    {record.status:<8}  {cell.arm:<40}  {outcome}")

    def update(self, record: CellRecord) -> None:
        """Replace a record by a more complete one."""
        self.ended[record.key] = record
        self.store.ended(record)
        self.mirror.finish_trial(record, self.store.result_files(record.key))

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        cell, spec = _cell(trial.config), trial.config["work"]["task"]["trial"]
        if cell.stage:
            spec = stage_spec(spec, cell.stage)
        self.mirror.start_trial(cell, spec)
        self.status_writer.started(cell.key, in_words(cell))
        self.time_left.started(cell)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if result.get("full"):
            self.interruption.ask(result["full"])
        if not result["done"]:
            validation = Validation.model_validate(result["validation"])
            self.mirror.validation(result["key"], validation)
            self.status_writer.validated(result["key"], validation.step, validation.metrics.get(self.select))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        cell = _cell(trial.config)
        self._left(cell)
        interrupted = trial.last_result.get("status") == INTERRUPTED
        record = None if interrupted else self._read(cell)
        if record is not None:  # a stopped trial writes its record a moment later: see `collect`
            self._end(cell, record, record.status)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.console.say(f"A slot died; {in_words(_cell(trial.config))} continues in another, from its last checkpoint")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Report a trial as failed if its slot died too often; the others continue."""
        cell = _cell(trial.config)
        self._left(cell)
        if self._read(cell) is None:
            record = lost_record(Task(**trial.config["work"]["task"]), f"its slot died {trial.num_failures} times")
            (self.store.write_stage if cell.stage else self.store.write_cell)(record)
            self._end(cell, record, record.status)

    def collect(self, cells: Iterable[PlannedCell]) -> None:
        """Collect the records of cells that ended without a call of Tune, after all have ended."""
        for cell in cells:
            if cell.key not in self.ended and (record := self._read(cell)) is not None:
                self._end(cell, record, record.status)

    def collect_stages(self) -> tuple[PlannedCell, ...]:
        """Return all stages that trials of this sweep started from; those computed within a trial get a run too."""
        for record in list(self.ended.values()):
            for name, key in record.stages.items():
                if key not in self.stages and (stage := self.store.read_stage(key)) is not None:
                    cell = PlannedCell(key=key, stage=name, number=-1 - len(self.stages))
                    self.mirror.start_trial(cell, stage.trial)
                    self._end(cell, stage, stage.status if stage.ended >= self.sweep.created else "reused")
        return tuple(self.stages.values())

    @contextmanager
    def bar(self) -> Iterator[None]:
        """Show a bar over all trials of the sweep on a terminal; a log only has the lines of `_end`."""
        if not self.console.animated:
            left = self.total - len(self.how)
            self.console.say(f"Running {left} of {self.total} trials" if self.total else "Running trials")
            yield
            return
        with self.console.task("Trials", self.total or None, timed=False) as self.advance:
            self.advance(len(self.how))
            yield

    def _left(self, cell: PlannedCell) -> None:
        """Note that a trial does not run in a slot any more."""
        self.status_writer.left(cell.key)
        self.time_left.gone(cell.key)

    def _read(self, cell: PlannedCell) -> CellRecord | None:
        return self.store.read_stage(cell.key) if cell.stage else self.store.read_cell(cell.key)

    def _ended_stage(self, cell: PlannedCell, record: CellRecord, how: str) -> None:
        self.stages[cell.key] = cell
        self.adapted[how] += record.seconds.get("total", 0.0)
        tower, _, features = cell.stage.partition(" ")
        by = "features of the frozen tower" if features else f"adapted by {record.trial['adapt']['method']}"
        many = f"{record.pairs:,} {'images' if tower == 'image' else 'reports'}"
        what = record.error or f"{many}, {record.seconds.get('total', 0.0):.0f} s"
        self.console.say(f"   stage    {how:<8}  {f'{tower} tower, {by}':<40}  {what}")

    def _end(self, cell: PlannedCell, record: CellRecord, how: str) -> None:
        self.store.ended(record, stage=bool(cell.stage))
        record, files = self._seen(cell, record)
        self.mirror.finish_trial(record, files)
        self._ended(cell, record, how)

    def _ended(self, cell: PlannedCell, record: CellRecord, how: str, told: bool = True) -> None:
        if cell.stage:
            self._ended_stage(cell, record, how)
            return
        for earlier, count in ((self.ended.get(cell.key), -1), (record, 1)):
            if earlier is not None and earlier.status != "failed":
                self.convergence[earlier.convergence] += count
        self.ended[cell.key] = record.model_copy(update={"trial": {}, "history": ()})  # the store has them
        if cell.key in self.how:  # the winner of a search that ran again, to read the test split
            self.counts[self.how[cell.key]] -= 1
        else:
            self.time_left.ended(cell, record)
        self.how[cell.key] = how
        self.counts[how] += 1
        done = len(self.how)
        score, left = record.best.get(self.select), self.time_left.seconds()
        self.status_writer.progress.convergence = +self.convergence
        self.status_writer.ended(in_words(cell), self.counts, score, left)
        if told:
            said = f"{self.select} {score:.3f}" if score is not None else (record.error or "no result")
            self.console.say(f"{done:>4}{self._of()}  {how:<8}  {in_words(cell):<40}  {said}{_in_time(left)}")
        self.advance(done)

    def _of(self) -> str:
        return f" of {self.total}" if self.total else ""  # hours may limit a search, not a number of trials


def _in_time(left: float | None) -> str:
    return f"  about {duration(left)} left" if left is not None else ""


def _cell(config: dict[str, Any]) -> PlannedCell:
    return PlannedCell.model_validate(config["work"]["cell"])
