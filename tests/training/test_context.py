"""The context that a worker hands to everything it runs for a task."""

from __future__ import annotations

import pytest
import torch

from radsweep.store.records import Validation
from radsweep.training.context import RunContext
from radsweep.training.task import CONTINUE, PAUSE, STOP

VALIDATION = Validation(epoch=1, step=1, seconds=1.0, metrics={})


def test_by_default_one_worker_runs_on_the_cpu_to_the_end() -> None:
    context = RunContext()
    assert (context.workers.rank, context.workers.world, context.device) == (0, 1, torch.device("cpu"))
    assert (context.report(VALIDATION), context.should_continue()) == (CONTINUE, CONTINUE)


@pytest.mark.parametrize("answer", [STOP, CONTINUE, PAUSE])
def test_work_before_a_trial_reports_no_validation_and_hears_all_the_same_whether_to_continue(answer: int) -> None:
    reported: list[Validation] = []
    context = RunContext(
        device=torch.device("meta"),
        report=lambda validation: reported.append(validation) or CONTINUE,
        should_continue=lambda: answer,
    )
    silent = context.without_reports()
    assert silent.report(VALIDATION) == answer
    assert silent.should_continue() == answer
    assert reported == []
    assert (silent.workers, silent.device) == (context.workers, context.device)
    assert context.report(VALIDATION) == CONTINUE
    assert reported == [VALIDATION]
