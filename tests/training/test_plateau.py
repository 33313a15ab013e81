"""The loop trains until each query's results show a plateau, also across a pause."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from radsweep.config.training import Train
from radsweep.store.records import Validation
from radsweep.training import loop
from radsweep.training.batches import Batch
from radsweep.training.context import RunContext
from radsweep.training.outcome import Outcome
from radsweep.training.precision import Precision
from radsweep.training.task import CONTINUE, PAUSE

QUERIES = 2000


class Scripted(loop.Recipe):
    """One weight, whose validation queries follow a curve."""

    every_steps = steps_per_epoch = 20
    chance = 0.02

    def __init__(self, constant: float, context: RunContext, until: str = "plateau", gain: float = 0.5) -> None:
        self.settings = Train.model_validate({"until": until, "max_steps": 3000, "steps": 3000, "warmup": 0.02})
        self.learner = self.result = nn.Linear(1, 1)
        self.context, self.outcome, self.constant = context, Outcome(), constant
        self.gain = gain
        self.easy_Q = np.random.default_rng(0).random(QUERIES)

    def batches(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        for _ in range(done, self.steps_per_epoch):
            yield Batch(1, (), (), torch.zeros(1, dtype=torch.int64))

    def backward(self, batch: Batch, precision: Precision) -> tuple[float, dict[str, float]]:
        loss = self.learner(torch.ones(1, 1)).square().sum()
        precision.backward(loss)
        return float(loss.detach()), {}

    def measure(self) -> dict[str, float]:
        step = self.outcome.steps
        fresh_Q = np.random.default_rng(step).random(QUERIES)
        level = 0.02 + self.gain * (1 - np.exp(-step / self.constant))
        self.value_Q = (0.8 * self.easy_Q + 0.2 * fresh_Q < level).astype(np.float64)
        return {"val/hit": float(self.value_Q.mean())}

    def score(self, measured: dict[str, float]) -> float:
        return measured["val/hit"]


def test_training_ends_after_the_plateau() -> None:
    recipe = Scripted(100, RunContext())
    loop.run_loop(loop.start(recipe), None)
    assert recipe.outcome.convergence == "converged"
    assert 300 < recipe.outcome.steps < 2000


@pytest.mark.parametrize(("until", "answer"), [("plateau", "still rising"), ("steps", "cannot tell")])
def test_training_that_finds_none_goes_to_its_ceiling(until: str, answer: str) -> None:
    recipe = Scripted(20_000, RunContext(), until, gain=3.0)
    loop.run_loop(loop.start(recipe), None)
    assert (recipe.outcome.convergence, recipe.outcome.steps) == (answer, 3000)


def test_a_paused_run_finds_the_same_plateau(tmp_path: Path) -> None:
    whole = Scripted(100, RunContext())
    loop.run_loop(loop.start(whole), None)

    def pausing(validation: Validation) -> int:
        return PAUSE if validation.step == 240 else CONTINUE

    with pytest.raises(loop.Paused):
        loop.run_loop(loop.start(Scripted(100, RunContext(report=pausing))), tmp_path)
    resumed = Scripted(100, RunContext())
    loop.run_loop(loop.start(resumed), tmp_path)
    assert resumed.outcome.steps == whole.outcome.steps
    assert (resumed.outcome.convergence, resumed.outcome.best_step) == ("converged", whole.outcome.best_step)
