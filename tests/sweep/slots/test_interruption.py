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

from radsweep.cluster.submit import STOP_WITHIN
from radsweep.config.load import parse_experiment
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.store.store import Store
from radsweep.sweep.run import run_sweep
from radsweep.sweep.slots.interruption import SAVE_WITHIN
from radsweep.training.trainer import train


def test_a_stopped_job_has_time_for_its_report_too() -> None:
    assert float(STOP_WITHIN) - SAVE_WITHIN >= 60


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_trial_terminated_within_an_epoch_ends_with_the_numbers_of_an_undisturbed_one(
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
        return run_sweep(parse_experiment(tree, "test.yaml"), resume)

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
