"""Keys of results that a slot reports to Ray Tune, and the record of a lost trial."""

from __future__ import annotations

from radsweep.config.stages import stage_spec
from radsweep.store.records import CellRecord, now
from radsweep.training.task import Task

INTERRUPTED = "interrupted"  # status of a trial that continues with `--resume`
AT_STEP = "at_step"  # optimiser steps before a validation
SCORE = "score"  # score of a validation for schedulers and searchers; higher is better


def lost_record(task: Task, reason: str) -> CellRecord:
    """Return a record for a trial or stage whose workers or slot died too often to write one."""
    spec = stage_spec(task.trial, task.stage) if task.stage else task.trial
    return CellRecord(key=task.key, trial=spec, status="failed", error=reason, stages=task.stages, ended=now())
