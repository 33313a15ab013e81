"""The context of a run: its workers, its device, and the caller that follows and steers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from radsweep.store.records import Validation
from radsweep.training.collectives import Workers
from radsweep.training.task import CONTINUE


@dataclass(frozen=True)
class RunContext:
    """Everything that a trial or a stage needs beside its settings and its data, and that decides none of its numbers.

    A worker makes one for each task it serves; the functions down to the training loop pass it on whole. The defaults
    run in this process, on the CPU, to the end.
    """

    workers: Workers = field(default_factory=Workers)
    """The workers that share the run, seen from this one."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """The device that this worker computes on."""

    report: Callable[[Validation], int] = lambda validation: CONTINUE
    """Worker 0 calls it after each validation. STOP ends the run as stopped; PAUSE ends it after a checkpoint."""

    should_continue: Callable[[], int] = lambda: CONTINUE
    """Worker 0 calls it while it waits for another group, where STOP and PAUSE count, and every few seconds between
    steps, where only PAUSE counts: a run stops at a validation."""

    def without_reports(self) -> RunContext:
        """For work whose validations are not the task's own: each one only asks whether to continue."""
        return replace(self, report=lambda validation: self.should_continue())
