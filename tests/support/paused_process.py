"""One of two workers whose trial is paused within an epoch and continued."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch.distributed as dist

from radsweep.training import loop
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.task import CONTINUE, PAUSE
from radsweep.training.trainer import train
from support.synthetic import synthetic_data, synthetic_trial

VALUES = {"train.batch_size": 8, "train.steps": 10, "evaluate.every_steps": 1000, "objective.neighbours.weight": 0.5}


def main(rank: int, out: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{out / 'init'}", rank=rank, world_size=2)
    loop.ASK_EVERY = 0.0
    trial, calls = synthetic_trial(**VALUES), itertools.count(1)

    def run(name: str, pause_at: int = 0) -> None:
        def should_continue() -> int:
            assert rank == 0
            return PAUSE if next(calls) == pause_at else CONTINUE

        context = RunContext(Workers(rank, 2), should_continue=should_continue)
        train(trial, synthetic_data(), context, folder=out / name)

    try:
        run("paused", pause_at=6)
        raise AssertionError("it was not paused")
    except loop.Paused:
        dist.barrier()  # the checkpoint exists
    run("paused")
    run("undisturbed")
