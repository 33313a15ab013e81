"""One cell on one group of workers: train it, and leave its record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from radsweep.data.prepared import PreparedData
from radsweep.errors import InputError
from radsweep.spec.trial import Trial
from radsweep.training.collectives import Workers
from radsweep.training.record import CellRecord, Validation
from radsweep.training.task import Task, now
from radsweep.training.trainer import TrialFailed, train

logger = logging.getLogger(__name__)


def run_cell(
    task: Task,
    data: PreparedData,
    workers: Workers,
    device: torch.device,
    report: Callable[[Validation], bool],
) -> CellRecord:
    """The cell's record; `failed` with one line for people where the trial itself went wrong.

    With several workers an error that may be one worker's own is raised instead: the others would wait for it for
    ever, so the whole group has to start again.
    """
    started = now()
    known = {
        "key": task.key,
        "trial": task.trial,
        "device": device.type,
        "workers": workers.world,
        "code": task.code,
        "data": data.fingerprint,
        "versions": task.versions,
        "started": started,
    }
    try:
        trial = Trial.model_validate(task.trial)
        outcome = train(
            trial,
            data,
            workers=workers,
            device=device,
            folder=Path(task.folder),
            read_test=task.read_test,
            report=report,
        )
    except (TrialFailed, InputError) as error:
        return CellRecord.model_validate(known | {"status": "failed", "error": str(error), "ended": now()})
    except Exception as error:
        if workers.world > 1:
            raise
        logger.exception("trial %s failed", task.key)
        line = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return CellRecord.model_validate(known | {"status": "failed", "error": line, "ended": now()})
    fields = dict(vars(outcome))
    status = "stopped" if fields.pop("stopped") else "finished"
    fields["seconds"] = outcome.seconds | {"total": sum(outcome.seconds.values())}
    return CellRecord.model_validate(known | fields | {"status": status, "ended": now()})
