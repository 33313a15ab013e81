"""A warm trial slot: one Tune actor that keeps one Ray Train worker group alive and feeds it trial after trial.

Starting a trial of its own for each configuration costs 20 s and more; handing the next one to a running group costs
some hundredths of a second, and imports, process group, pretrained weights and data stay.
"""

from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray import tune
from ray.exceptions import RayActorError

from radsweep.data.loading.prepared import PreparedData
from radsweep.filesystem import no_room
from radsweep.spec import metrics
from radsweep.spec.stage import stage_spec
from radsweep.store.records import CellRecord, Validation, now
from radsweep.store.store import Store
from radsweep.sweep.interrupt import FLAG
from radsweep.sweep.mailbox import Mailbox
from radsweep.training.task import PAUSE, Task

INTERRUPTED = "interrupted"  # how a trial ended that goes on with `--resume`
AT_STEP = "at_step"  # optimiser steps before it
MOST_RESTARTS = 20  # of a slot's worker group
SCORE = "score"  # of a validation, higher is better: what schedulers and searchers see


class Slot(tune.Trainable):
    """A Tune trainable whose configuration is {"work": {"task": Task fields, ...}}; each result is one validation."""

    def setup(self, config: dict[str, Any], settings: dict[str, Any] | None = None) -> None:
        """settings: store, data {name: reference}, select, workers, resources, use_gpu, wait_for_reply, scratch."""
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
        """Wait for the trial's next validation, or its end."""
        waiting = self.mailbox.letter.remote(self.number)
        while not ray.wait([waiting], timeout=1.0)[0]:
            if self._interrupted():
                ray.get(self.mailbox.pause.remote())
            if not self.group.is_alive():
                raise RuntimeError(f"the slot's worker group ended: {self.died}")
        letter = ray.get(waiting)
        if "validation" in letter:
            return self._result(letter["validation"], done=False)
        if "paused" in letter or "full" in letter:  # no record: it goes on when the sweep does
            return self._result({"metrics": {}}, done=True) | {"status": INTERRUPTED, "full": letter.get("full")}
        if "lost" in letter:
            record, store = lost_record(self.task, letter["lost"]), Store(Path(self.settings["store"]))
            (store.write_stage if self.task.stage else store.write_cell)(record)
        else:
            record = CellRecord.model_validate_json(letter["record"])
        last = record.history[-1].model_dump() if record.history else {"metrics": {}}
        return self._result(last, done=True) | {"status": record.status, "error": record.error}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial's own folder in the store is what it resumes from."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""

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
            result[SCORE] = values[select] if metrics.higher_is_better(select) else -values[select]
        return result

    def _run_group(self) -> None:
        import ray.train.torch  # PyTorch: slow to import, and whoever imports this module would wait for it

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


def lost_record(task: Task, reason: str) -> CellRecord:
    """Of a trial, or a stage, whose workers or slot died too often to leave one."""
    spec = stage_spec(task.trial, task.stage) if task.stage else task.trial
    return CellRecord(key=task.key, trial=spec, status="failed", error=reason, stages=task.stages, ended=now())


def serve_tasks(config: dict[str, Any]) -> None:
    """The loop of every worker of a group: take a task, run it, leave its record, until there are no more."""
    import ray.train.torch

    from radsweep.sweep.cells import ready_cell
    from radsweep.sweep.stages import ready_stage
    from radsweep.training.collectives import Workers
    from radsweep.training.device import in_one_line
    from radsweep.training.loop import Paused

    mailbox, store = config["mailbox"], Store(Path(config["store"]))
    context = ray.train.get_context()
    workers = Workers(context.get_world_rank(), context.get_world_size())
    device = ray.train.torch.get_device()
    group = f"{workers.first(random.SystemRandom().getrandbits(30))}"
    opened: dict[str, PreparedData] = {}
    number = -1
    for place in itertools.count():
        asked = mailbox.next.remote(number, group) if workers.rank == 0 else mailbox.same.remote(place, group)
        number, task = ray.get(asked)
        if task is None:
            return
        if task.data not in opened:
            opened[task.data] = ray.get(config["data"][task.data][0]).opened(ray.get)

        def report(validation: Validation, number: int = number) -> int:
            return _order(mailbox.validated, number, validation.model_dump())

        def goes_on(number: int = number) -> int:
            return _order(mailbox.goes_on, number)

        data = opened[task.data]
        try:
            if task.stage:
                record = ready_stage(task.stage, task, store, data, workers, device, report, goes_on)
            else:
                record = ready_cell(task, store, data, workers, device, report, goes_on)
            said = mailbox.finished.remote(number, record.model_dump_json()) if workers.rank == 0 else None
        except Paused:
            said = mailbox.paused.remote(number) if workers.rank == 0 else None
        except Exception as error:
            if not (isinstance(error, OSError) and no_room(error)):
                ray.get(mailbox.broke.remote(number, in_one_line(error)))
                raise
            said = mailbox.full.remote(number, f"no room left for {error.filename} ({error.strerror})")
            if workers.world > 1:  # the others wait for this one's share of a sum: the group has to end
                ray.get(said)
                raise
        if said is not None:
            ray.get(said)


def _order(method: Any, *values: Any) -> int:
    """What the slot says. Where it died, its trial saves what it has: another slot goes on from there."""
    try:
        return int(ray.get(method.remote(*values)))
    except RayActorError:
        return PAUSE
