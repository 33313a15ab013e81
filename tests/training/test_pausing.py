"""A run that is told to pause between two steps goes on as if it had not been."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radsweep.training import loop
from radsweep.training.adaptation import adapt, load_adapted
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.loop import Asking
from radsweep.training.task import CONTINUE, PAUSE
from support import paused_process
from support.adapted import stages, with_pool
from support.processes import start, wait
from support.synthetic import synthetic_trial
from support.trained import EVERYTHING, numbers, run


@pytest.fixture(autouse=True)
def asked_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "ASK_EVERY", 0.0)


def at(step: int) -> Callable[[], int]:
    count = itertools.count(1)
    return lambda: PAUSE if next(count) == step else CONTINUE


# Four batches an epoch, one validation, at the very end.
LONG = {"train.batch_size": 8, "train.steps": 10, "evaluate.every_steps": 1000}


@pytest.mark.parametrize("values", [LONG, EVERYTHING | LONG], ids=["plain", "neighbours, ema and all terms"])
@pytest.mark.parametrize("step", [1, 4, 7])  # within the first epoch, at its end, later
def test_a_trial_paused_within_an_epoch_ends_with_the_numbers_and_weights_of_an_undisturbed_one(
    step: int, values: dict[str, object], tmp_path: Path
) -> None:
    trial = synthetic_trial(**values)
    undisturbed = run(trial, read_test=True, folder=tmp_path / "undisturbed")
    assert [validation.step for validation in undisturbed.history] == [10]
    told: list[int] = []
    options = {"read_test": True, "folder": tmp_path / "paused"}
    context = RunContext(report=lambda v: told.append(v.step) or CONTINUE)
    with pytest.raises(loop.Paused):
        run(trial, context=replace(context, should_continue=at(step)), **options)
    assert told == []
    asked = itertools.count()
    resumed = run(trial, context=replace(context, should_continue=lambda: next(asked) >= 0), **options)
    assert next(asked) == 10 - step - 1  # after each step that was left, but for the last
    assert numbers(resumed) == numbers(undisturbed)
    weights = [tmp_path / name / "checkpoint" / "model.safetensors" for name in ("undisturbed", "paused")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_trial_paused_again_and_again_ends_all_the_same(tmp_path: Path) -> None:
    trial = synthetic_trial(**(EVERYTHING | LONG))
    for _ in range(9):
        with pytest.raises(loop.Paused):
            run(trial, folder=tmp_path, context=RunContext(should_continue=lambda: PAUSE))
    assert numbers(run(trial, folder=tmp_path)) == numbers(run(trial))


@pytest.mark.parametrize("name", ["image", "text"])
def test_a_stage_paused_within_an_epoch_ends_with_the_weights_of_an_undisturbed_one(name: str, tmp_path: Path) -> None:
    stage = stages(**{f"adapt.{name}.batch_size": 8})[name]
    adapt(stage, with_pool(), folder=tmp_path / "undisturbed")  # type: ignore[arg-type]
    with pytest.raises(loop.Paused):
        adapt(stage, with_pool(), RunContext(should_continue=at(2)), folder=tmp_path / "paused")  # type: ignore[arg-type]
    adapt(stage, with_pool(), folder=tmp_path / "paused")  # type: ignore[arg-type]
    expected, found = load_adapted(tmp_path / "undisturbed"), load_adapted(tmp_path / "paused")
    assert expected is not None
    assert found is not None
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


def test_two_workers_pause_after_the_same_step_and_go_on_to_the_same_weights(tmp_path: Path) -> None:
    processes = [start(paused_process.main, rank, tmp_path) for rank in range(2)]
    assert [wait(process) for process in processes] == [0, 0]
    weights = [tmp_path / name / "checkpoint" / "model.safetensors" for name in ("undisturbed", "paused")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


class Second(Workers):
    """Hears what worker 0 says."""

    def __init__(self, said: list[int]) -> None:
        super().__init__(1, 2)
        self.said = iter(said)

    def first(self, value: int) -> int:
        return next(self.said)


def test_every_worker_hears_of_a_pause_after_the_step_that_worker_0_chose() -> None:
    def ask() -> int:
        raise AssertionError("worker 0 alone asks")

    told = Asking(RunContext(Second([CONTINUE, 3, PAUSE, 1]), should_continue=ask))
    assert [told.told_to_pause() for _ in range(4)] == [False, False, False, True]


def test_questions_are_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, asked = 0, []
    monkeypatch.setattr(loop, "ASK_EVERY", 2.0)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: steps / 8)  # eight steps a second
    told = Asking(RunContext(should_continue=lambda: asked.append(steps) or CONTINUE))
    for steps in range(1, 80):  # noqa: B007 - the clock reads it
        told.told_to_pause()
    assert asked == [1, 3, 7, 15, 31, 47, 63, 79]
