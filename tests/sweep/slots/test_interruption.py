"""SIGTERM in the middle of an epoch: a checkpoint, no record, and on resume the numbers of an undisturbed trial."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.tune.execution.tune_controller import TuneController

from radsweep.cluster.submit import STOP_WITHIN
from radsweep.config.load import parse_experiment
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.store.store import Store
from radsweep.sweep.run import run_sweep
from radsweep.sweep.slots.interruption import SAVE_WITHIN, Interruption
from radsweep.training.trainer import train


class Saving:
    """Tune's actors, of which one takes 30 turns to end."""

    def __init__(self) -> None:
        self.turns, self.killed = 0, False

    def next(self, timeout: float) -> None:
        self.turns += 1

    def is_actor_started(self, tracked_actor: str) -> bool:
        return self.turns < 30

    def remove_actor(self, tracked_actor: str, kill: bool) -> None:
        self.killed = kill


def test_tune_waits_at_its_end_for_a_slot_that_saves(tmp_path: Path) -> None:
    with Interruption(tmp_path):
        controller = object.__new__(TuneController)
        controller._actor_force_cleanup_timeout = 10  # as Tune does
        controller._actor_manager = Saving()
        controller._stopping_actors = {"slot": time.monotonic() - 60}
        controller._cleanup_stopping_actors(force_all=True)
    assert (controller._actor_manager.turns, controller._actor_manager.killed) == (30, False)
    assert controller._stopping_actors == {}
    assert float(STOP_WITHIN) - SAVE_WITHIN >= 60  # a job that is stopped has time for its report too


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_trial_terminated_within_an_epoch_goes_on_to_the_numbers_of_an_undisturbed_one(
    phantom: Path, short_folder: Path, wait: Callable[[Callable[[], bool]], None]
) -> None:
    store = Store(short_folder / "terminated")
    tree: dict[str, Any] = {
        "experiment": "terminated",
        "data": {"shards": str(phantom)},
        "model": {"image": {"size": 32}, "dim": 32},
        "train": {"until": "steps", "steps": 400, "batch_size": 8, "learning_rate": 1e-4},
        "evaluate": {"every_steps": 1000},  # one validation, at the very end
        "run": {"store": str(store.root), "slots": 1},
        "ablation": {"arms": {"baseline": {}}},
    }

    def run(resume: bool) -> Any:
        return run_sweep(parse_experiment(tree, "test.yaml"), "test.yaml", resume)

    def terminate() -> None:
        wait(lambda: any(store.root.glob("cells/*/lock")))  # the trial is about to start
        os.kill(os.getpid(), signal.SIGTERM)

    signalling = threading.Thread(target=terminate)
    signalling.start()
    first = run(resume=False)
    signalling.join()
    (planned,) = first.cells
    assert first.status == "interrupted"
    assert store.read_cell(planned.key) is None
    assert (store.cell_folder(planned.key) / "resume" / "state.json").exists()
    again = time.time()
    second = run(resume=True)
    record = store.read_cell(planned.key)
    assert (second.id, second.status) == (first.id, "finished")
    assert record is not None
    assert record.timestamps["first_step"] < again  # of the first run
    assert [validation.step for validation in record.history] == [400]
    tokenizer = next((store.root / "tokenizers").iterdir()).read_text()
    data = prepare_in_process(read_index(phantom), tokenizer, 32, 1)
    trial = Trial.model_validate(record.trial)
    alone = train(trial, data, read_test=True)
    assert (alone.best, alone.final) == (record.best, record.final)
