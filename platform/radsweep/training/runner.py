"""One cell, or one stage before it, on one group of workers: train it, and leave its record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from radsweep.config.stages import AdaptationStage, StageName, stages_of
from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData
from radsweep.errors import InputError
from radsweep.filesystem import disk_full
from radsweep.store.records import CellRecord, now
from radsweep.training.adaptation import adapt
from radsweep.training.context import RunContext
from radsweep.training.embedder import Frozen
from radsweep.training.frozen_features import run_frozen
from radsweep.training.gpu_faults import give_back, in_one_line, is_lost
from radsweep.training.loop import Paused, Stopped, TrialFailed
from radsweep.training.outcome import Outcome
from radsweep.training.task import Task
from radsweep.training.trainer import Adapted, train

logger = logging.getLogger(__name__)


def run_cell(
    task: Task,
    data: PreparedData,
    context: RunContext,
    ready: Callable[[], tuple[Adapted, Frozen]] = lambda: ({}, {}),
) -> CellRecord:
    """The cell's record; `failed` with one line for people where the trial itself went wrong.

    Args:
        ready: gives the weights that towers start from, and the features of those that need not run.

    With several workers an error that may be one worker's own is raised instead: the others would wait for it for
    ever, so the whole group has to start again. So is one that leaves the GPU unusable: see `is_lost`.

    Raises:
        Paused: it was asked to; the checkpoint is written.
        OSError: the disk is full.
    """

    def trained() -> Outcome:
        trial = Trial.model_validate(task.trial)
        adapted, frozen = ready()
        folder = Path(task.folder)
        return train(trial, data, context, folder=folder, read_test=task.read_test, adapted=adapted, frozen=frozen)

    return _record(task, {"key": task.key, "trial": task.trial, "stages": task.stages}, data, context, trained)


def run_stage(
    name: StageName,
    task: Task,
    folder: Path,
    data: PreparedData,
    context: RunContext,
    adapted: Callable[[], Adapted],
) -> CellRecord:
    """The record of a stage of the task's trial, as that of a cell; `adapted` gives the weights it starts from."""
    trial = Trial.model_validate(task.trial)
    stage = stages_of(trial)[name]

    def done() -> Outcome:
        if isinstance(stage, AdaptationStage):
            return adapt(stage, data, context, folder=folder)
        return run_frozen(name.removesuffix(" features"), trial, data, context, folder=folder, adapted=adapted())

    what = {"key": task.stages[name], "trial": stage.model_dump(mode="json")}
    return _record(task, what, data, context, done)


def _record(
    task: Task, what: dict[str, Any], data: PreparedData, context: RunContext, work: Callable[[], Outcome]
) -> CellRecord:
    known = what | {
        "device": context.device.type,
        "workers": context.workers.world,
        "sweep": task.sweep,
        "code": task.code,
        "data": data.fingerprint,
        "versions": task.versions,
        "started": now(),
    }
    found = _ended(what["key"], context, work)
    give_back(context.device)
    return CellRecord.model_validate(known | found | {"ended": now()})


def _ended(key: str, context: RunContext, work: Callable[[], Outcome]) -> dict[str, Any]:
    """Status and outcome, or error, of the work."""
    try:
        outcome = work()
    except Stopped:
        return {"status": "stopped"}
    except (TrialFailed, InputError) as error:
        return {"status": "failed", "error": str(error)}
    except Paused:
        raise
    except Exception as error:
        if context.workers.world > 1 or disk_full(error) or is_lost(error, context.device):
            raise  # a full disk or a lost GPU is not the trial's fault
        logger.exception("%s failed", key)
        return {"status": "failed", "error": in_one_line(error)}
    fields = dict(vars(outcome))
    status = "stopped" if fields.pop("stopped") else "finished"
    fields["seconds"] = outcome.seconds | {"total": sum(outcome.seconds.values())}
    return fields | {"status": status}
