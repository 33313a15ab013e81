"""Our pruning rules decide as Ray Tune's do."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler

from radsweep.config.search import Search
from radsweep.sweep.search.pruning import Stopping

SPACE = {"train.warmup": {"uniform": [0, 0.5]}}


@dataclass(frozen=True)
class Running:
    """The attributes of a trial that Tune's schedulers read."""

    trial_id: str
    experiment_tag: str = ""
    status: str = "RUNNING"


def decisions(search: Search, theirs: Any, best_so_far: bool) -> list[tuple[bool, bool]]:
    """(ours, theirs) over 40 noisy curves, several trials at once."""
    rng = np.random.default_rng(0)
    stopping, found = Stopping(search), []
    curves = {n: list(rng.uniform(0.2, 1) * (1 - 0.7 ** np.arange(1, 31)) + rng.normal(0, 0.05, 30)) for n in range(40)}
    trials = {n: Running(str(n)) for n in curves}
    controller = SimpleNamespace(get_live_trials=lambda: [])
    time, waiting, running = dict.fromkeys(curves, 0), list(curves), []
    while waiting or running:
        while len(running) < 5 and waiting:
            running.append(waiting.pop(0))
            theirs.on_trial_add(controller, trials[running[-1]])
        number = int(rng.choice(running))
        time[number] += 1
        scores = curves[number][: time[number]]
        seen = list(accumulate(scores, max)) if best_so_far else scores
        ours = stopping.validated(number, scores)
        said = theirs.on_trial_result(controller, trials[number], {"score": seen[-1], "time": time[number]})
        found.append((ours, said == TrialScheduler.STOP))
        if ours or time[number] == 30:
            running.remove(number)
    return found


@pytest.mark.parametrize(("grace", "reduction"), [(1, 2), (3, 3), (2, 4)])
def test_asha(grace: int, reduction: int) -> None:
    search = Search.model_validate(
        {"space": SPACE, "scheduler": "asha", "grace_period": grace, "reduction_factor": reduction}
    )
    theirs = ASHAScheduler(
        "time", metric="score", mode="max", grace_period=grace, reduction_factor=reduction, max_t=10_000
    )
    found = decisions(search, theirs, best_so_far=True)
    assert [ours for ours, _ in found] == [said for _, said in found]
    assert sum(ours for ours, _ in found) > 10


@pytest.mark.parametrize("grace", [1, 4])
def test_median(grace: int) -> None:
    search = Search.model_validate({"space": SPACE, "scheduler": "median", "grace_period": grace})
    theirs = MedianStoppingRule("time", metric="score", mode="max", grace_period=grace)
    found = decisions(search, theirs, best_so_far=False)
    assert [ours for ours, _ in found] == [said for _, said in found]
    assert sum(ours for ours, _ in found) > 10


def test_other_trials_are_not_compared_with_a_failed_one() -> None:
    stopping = Stopping(
        Search.model_validate({"space": SPACE, "scheduler": "asha", "grace_period": 1, "reduction_factor": 2})
    )
    stopping.validated("failed", [0.9])
    stopping.forget("failed")
    assert not stopping.validated("other", [0.1])
