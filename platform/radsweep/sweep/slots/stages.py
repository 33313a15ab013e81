"""Adapted towers and features of frozen towers, which trials share. The first trial that needs them computes them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import Tensor

from radsweep.config.stages import StageName
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.shards.schema import Split
from radsweep.store.records import CellRecord
from radsweep.store.store import Store
from radsweep.sweep.slots.single_flight import Turn, turn
from radsweep.training.adaptation import load_adapted
from radsweep.training.context import RunContext
from radsweep.training.frozen_features import load_frozen
from radsweep.training.loop import Stopped, TrialFailed
from radsweep.training.runner import run_stage
from radsweep.training.task import Task

Found = TypeVar("Found")


def ready_stages(
    task: Task, store: Store, data: PreparedData, context: RunContext
) -> tuple[dict[str, dict[str, Tensor]], dict[str, dict[Split, Tensor]]]:
    """Return the weights that a trial's towers start from, and the features of towers that need not run.

    Raises:
        TrialFailed: a stage failed.
        Stopped, Paused: the trial was stopped or paused meanwhile.
    """
    adapted: dict[str, dict[str, Tensor]] = {}
    frozen: dict[str, dict[Split, Tensor]] = {}
    for name in task.stages:
        record = ready_stage(name, task, store, data, context.without_reports())  # type: ignore[arg-type]
        if record.status == "stopped":
            raise Stopped
        if record.status != "finished":
            raise TrialFailed(f"the stage before it, {name}: {record.error or record.status}")
        folder = store.stage_folder(record.key)
        if name.endswith("features"):
            frozen[name.removesuffix(" features")] = _there(load_frozen(folder), folder)
        else:
            adapted[name] = _there(load_adapted(folder), folder)
    return adapted, frozen


def ready_stage(name: StageName, task: Task, store: Store, data: PreparedData, context: RunContext) -> CellRecord:
    """Return the record of a stage of a task: find it, wait for it, or compute it with all workers of the group.

    Worker 0 calls `context.should_continue` while it waits, and between steps.
    """
    key = task.stages[name]
    folder = store.stage_folder(key)
    with turn(folder, context, lambda: store.read_stage(key) is not None) as state:
        if state == Turn.STOP:
            return CellRecord(key=key, trial={}, status="stopped")
        if state == Turn.THERE:
            return _there(store.read_stage(key), folder)

        def adapted() -> dict[str, dict[str, Tensor]]:
            tower = name.removesuffix(" features")
            if tower == name or tower not in task.stages:
                return {}
            before = task._replace(stages={tower: task.stages[tower]})  # features of an adapted tower
            return ready_stages(before, store, data, context)[0]

        record = run_stage(name, task, folder, data, context, adapted)
        if context.workers.rank == 0 and record.status != "stopped":
            store.write_stage(record)
        context.workers.first(0)  # the files are there before another worker looks for them
        return record


def _there(found: Found | None, folder: Path) -> Found:
    if found is None:
        raise TrialFailed(f"files are missing in {folder}; remove the folder to run the stage again")
    return found
