"""Messages from workers to their slot, and their behaviour if the slot no longer exists."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ray.exceptions import ActorDiedError

from radsweep.store.records import Validation
from radsweep.sweep.slots.mailbox import MOST_ATTEMPTS, Mailbox
from radsweep.sweep.slots.worker import serve_tasks
from radsweep.training.loop import Paused
from radsweep.training.task import PAUSE, Task

TASK = Task("key", {}, "", "data", False, "", {}, {})


class Box:
    """Mailbox of a slot in this process."""

    def __init__(self) -> None:
        self.box = Mailbox(wait_for_reply=False)
        self.call("post", 0, TASK)

    def call(self, name: str, *values: Any) -> Any:
        return asyncio.run(getattr(self.box, name)(*values))

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *values: self.call(name, *values))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """served(box, ready_cell): run one worker group with this mailbox."""
    import ray.train.torch

    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
    monkeypatch.setattr("ray.get", lambda found: found)
    monkeypatch.setattr("ray.train.get_context", lambda: context)
    monkeypatch.setattr(ray.train.torch, "get_device", lambda: torch.device("cpu"))
    data = {"data": [SimpleNamespace(materialise=lambda get: None)]}

    def run(box: Box, ready_cell: Any) -> None:
        monkeypatch.setattr("radsweep.sweep.slots.worker.ready_cell", ready_cell)
        serve_tasks({"mailbox": box, "store": str(tmp_path), "data": data})

    return run


def test_a_trial_whose_gpu_fails_is_retried_by_new_workers_and_then_lost_with_the_reason(served: Any) -> None:
    box = Box()

    def broken(*_: Any) -> None:
        raise torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered")

    for attempt in range(1, MOST_ATTEMPTS + 1):
        with pytest.raises(torch.AcceleratorError):  # so that Ray restarts the group
            served(box, broken)
        assert (box.box.attempts, box.box.messages) == (attempt, [])  # no record: the next group gets the same task

    async def fourth() -> Any:
        asked = asyncio.create_task(box.box.next(-1, "group"))
        message = await box.box.message(0)
        asked.cancel()
        return message

    said = f"its workers died {MOST_ATTEMPTS} times; the last time: AcceleratorError: CUDA error: uncorrectable ECC"
    assert asyncio.run(fourth())["lost"].startswith(said)


def test_workers_whose_slot_died_pause_and_leave_no_record(served: Any) -> None:
    box, told = Box(), []

    def dead(*_: Any) -> None:
        raise ActorDiedError

    def orphaned(*asked: Any) -> None:
        box.call = dead  # type: ignore[method-assign]
        context = asked[-1]
        validation = Validation(epoch=1, step=1, seconds=1.0, metrics={})
        told.extend([context.report(validation), context.should_continue()])
        raise Paused

    with pytest.raises(ActorDiedError):  # and the group ends
        served(box, orphaned)
    assert told == [PAUSE, PAUSE]
