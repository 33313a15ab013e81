"""What a slot reports to Ray Tune, and the record of a trial that was lost."""

from __future__ import annotations

from radsweep.config.stages import stage_spec
from radsweep.store.records import CellRecord, now
from radsweep.training.task import Task

INTERRUPTED = "interrupted"  # how a trial ended that goes on with `--resume`
AT_STEP = "at_step"  # optimiser steps before it
SCORE = "score"  # of a validation, higher is better: what schedulers and searchers see


def lost_record(task: Task, reason: str) -> CellRecord:
    """Of a trial, or a stage, whose workers or slot died too often to leave one."""
    spec = stage_spec(task.trial, task.stage) if task.stage else task.trial
    return CellRecord(key=task.key, trial=spec, status="failed", error=reason, stages=task.stages, ended=now())
