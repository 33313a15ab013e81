"""Loop of every worker of a slot: take a task, find, await or compute its record, and report it."""

from __future__ import annotations

import itertools
import random
from functools import partial
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray.exceptions import RayActorError

from radsweep.data.loading.prepared import PreparedData
from radsweep.filesystem import disk_full
from radsweep.store.records import CellRecord, Validation
from radsweep.store.selection import is_complete
from radsweep.store.store import Store
from radsweep.sweep.slots.single_flight import Turn, turn
from radsweep.sweep.slots.stages import ready_stage, ready_stages
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.gpu_faults import in_one_line
from radsweep.training.loop import Paused
from radsweep.training.runner import run_cell
from radsweep.training.task import PAUSE, Task


def serve_tasks(config: dict[str, Any]) -> None:
    """Take tasks, run them and report their records, until there are no more; runs in every worker of a group."""
    import ray.train.torch

    mailbox, store = config["mailbox"], Store(Path(config["store"]))
    ray_context = ray.train.get_context()
    workers = Workers(ray_context.get_world_rank(), ray_context.get_world_size())
    device = ray.train.torch.get_device()
    group = f"{workers.first(random.SystemRandom().getrandbits(30))}"
    opened: dict[str, PreparedData] = {}

    def context_of(number: int) -> RunContext:
        def report(validation: Validation) -> int:
            return _order(mailbox.validated, number, validation.model_dump())

        return RunContext(workers, device, report, lambda: _order(mailbox.should_continue, number))

    number = -1
    for place in itertools.count():
        asked = mailbox.next.remote(number, group) if workers.rank == 0 else mailbox.same.remote(place, group)
        number, task = ray.get(asked)
        if task is None:
            return
        if task.data not in opened:
            opened[task.data] = ray.get(config["data"][task.data][0]).materialise(ray.get)
        data, context = opened[task.data], context_of(number)
        try:
            if task.stage:
                record = ready_stage(task.stage, task, store, data, context)
            else:
                record = ready_cell(task, store, data, context)
            said = mailbox.finished.remote(number, record.model_dump_json()) if workers.rank == 0 else None
        except Paused:
            said = mailbox.paused.remote(number) if workers.rank == 0 else None
        except Exception as error:
            if not (isinstance(error, OSError) and disk_full(error)):
                ray.get(mailbox.broke.remote(number, in_one_line(error)))
                raise
            said = mailbox.full.remote(number, f"no space left for {error.filename} ({error.strerror})")
            if workers.world > 1:  # the others wait for this one in a collective: the group has to end
                ray.get(said)
                raise
        if said is not None:
            ray.get(said)


def _order(method: Any, *values: Any) -> int:
    """Return the slot's order. If the slot died, the trial pauses, and another slot continues it."""
    try:
        return int(ray.get(method.remote(*values)))
    except RayActorError:
        return PAUSE


def ready_cell(task: Task, store: Store, data: PreparedData, context: RunContext) -> CellRecord:
    """Find or compute the record of a task's cell and write it. Only one group at a time computes a cell.

    Worker 0 calls `context.should_continue` while another group computes the cell, and between its steps.

    Raises:
        Paused: the trial was paused.
        OSError: the disk is full.
    """

    def there() -> bool:
        record = store.read_cell(task.key)
        return record is not None and is_complete(record, task.read_test)

    with turn(store.cell_folder(task.key), context, there) as state:
        if state == Turn.STOP:
            return CellRecord(key=task.key, trial=task.trial, status="stopped")
        if state == Turn.THERE:  # only worker 0's record is used
            return store.read_cell(task.key) or CellRecord(key=task.key, trial=task.trial, status="finished")
        record = run_cell(task, data, context, partial(ready_stages, task, store, data, context))
        if context.workers.rank == 0:
            store.write_cell(record)
        return record
