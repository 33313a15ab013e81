"""Warm trial slot: one Tune actor that keeps one Ray Train worker group alive and feeds it trial after trial.

Starting a worker group for each configuration costs 20 s or more. Handing the next one to a running group costs some
hundredths of a second, and imports, process group, pretrained weights and data stay loaded.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray import tune

from radsweep.config.metrics import Metric
from radsweep.store.records import CellRecord
from radsweep.store.store import Store
from radsweep.sweep.slots.interruption import FLAG
from radsweep.sweep.slots.mailbox import Mailbox
from radsweep.sweep.slots.protocol import AT_STEP, INTERRUPTED, SCORE, lost_record
from radsweep.training.task import Task

MOST_RESTARTS = 20  # restarts of a slot's worker group


class Slot(tune.Trainable):
    """Tune trainable whose configuration is {"work": {"task": Task fields, ...}}; each result is one validation."""

    def setup(self, config: dict[str, Any], settings: dict[str, Any] | None = None) -> None:
        """Start the worker group.

        Args:
            settings: store, data {name: reference}, select, workers, resources, use_gpu, wait_for_reply, scratch.
        """
        assert settings is not None
        self.settings = settings
        self.mailbox = ray.remote(Mailbox).options(num_cpus=0, max_concurrency=64).remote(settings["wait_for_reply"])
        self.number = -1
        self.died: str | None = None
        self.group = threading.Thread(target=self._run_group, daemon=True)
        self.group.start()
        self._post(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Hand the next trial to the running group."""
        self._post(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Wait for the next validation of the trial, or its end."""
        waiting = self.mailbox.message.remote(self.number)
        while not ray.wait([waiting], timeout=1.0)[0]:
            if self._interrupted():
                ray.get(self.mailbox.pause.remote())
            if not self.group.is_alive():
                raise RuntimeError(f"the slot's worker group ended: {self.died}")
        message = ray.get(waiting)
        if "validation" in message:
            return self._result(message["validation"], done=False)
        if "paused" in message or "full" in message:  # no record: it continues when the sweep is resumed
            return self._result({"metrics": {}}, done=True) | {"status": INTERRUPTED, "full": message.get("full")}
        if "lost" in message:
            record, store = lost_record(self.task, message["lost"]), Store(Path(self.settings["store"]))
            (store.write_stage if self.task.stage else store.write_cell)(record)
        else:
            record = CellRecord.model_validate_json(message["record"])
        last = record.history[-1].model_dump() if record.history else {"metrics": {}}
        return self._result(last, done=True) | {"status": record.status, "error": record.error}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: a trial resumes from its own folder in the store."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: see `save_checkpoint`."""

    def cleanup(self) -> None:
        """Let the group end by itself, so that its last record or checkpoint is written."""
        ray.get(self.mailbox.pause.remote() if self._interrupted() else self.mailbox.close.remote())
        self.group.join(timeout=60)

    def _interrupted(self) -> bool:
        return (Path(self.settings["scratch"]) / FLAG).exists()

    def _post(self, config: dict[str, Any]) -> None:
        self.task = Task(**config["work"]["task"])
        self.validations = 0
        self.number += 1
        ray.get(self.mailbox.post.remote(self.number, self.task))

    def _result(self, validation: dict[str, Any], done: bool) -> dict[str, Any]:
        values = validation["metrics"]
        self.validations += not done
        result: dict[str, Any] = {"done": done, "key": self.task.key, "validation": validation}
        result |= {"validations": self.validations, AT_STEP: validation.get("step", 0)}
        select = self.settings["select"]
        if select in values:
            result[SCORE] = Metric(select).sign * values[select]
        return result

    def _run_group(self) -> None:
        # lazy import: PyTorch takes seconds to load
        import ray.train.torch

        from radsweep.sweep.slots.worker import serve_tasks

        settings = self.settings
        trainer = ray.train.torch.TorchTrainer(
            serve_tasks,
            train_loop_config={"mailbox": self.mailbox, "data": settings["data"], "store": settings["store"]},
            scaling_config=ray.train.ScalingConfig(
                num_workers=settings["workers"],
                use_gpu=settings["use_gpu"],
                resources_per_worker=settings["resources"],
            ),
            run_config=ray.train.RunConfig(
                storage_path=settings["scratch"],
                name=f"slot-{self.trial_id}",
                failure_config=ray.train.FailureConfig(
                    max_failures=MOST_RESTARTS
                ),  # the mailbox counts a task's attempts
            ),
        )
        try:
            trainer.fit()
        except Exception as error:
            self.died = f"{type(error).__name__}: {error}"
