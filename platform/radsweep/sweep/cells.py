"""A cell answered by one group of workers: found in the store, waited for, or run here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from radsweep.data.loading.prepared import PreparedData
from radsweep.store.records import CellRecord, Validation
from radsweep.store.selection import is_complete
from radsweep.store.store import Store
from radsweep.sweep.stages import ready_stages
from radsweep.sweep.turns import Turn, turn
from radsweep.training.cell import run_cell
from radsweep.training.collectives import Workers
from radsweep.training.task import Task


def ready_cell(
    task: Task,
    store: Store,
    data: PreparedData,
    workers: Workers,
    device: torch.device,
    report: Callable[[Validation], int],
    goes_on: Callable[[], int],
) -> CellRecord:
    """The record of a task's cell, written. No two groups are at one cell, of this sweep or of another.

    Worker 0 asks `goes_on` while another group is at the cell, and between its steps.

    Raises:
        Paused: told to.
        OSError: no room on the disk.
    """

    def there() -> bool:
        record = store.read_cell(task.key)
        return record is not None and is_complete(record, task.read_test)

    with turn(store.cell_folder(task.key), workers, goes_on, there) as state:
        if state == Turn.STOP:
            return CellRecord(key=task.key, trial=task.trial, status="stopped")
        if state == Turn.THERE:  # worker 0 has read it; what the others make of it nobody asks
            return store.read_cell(task.key) or CellRecord(key=task.key, trial=task.trial, status="finished")
        ready = partial(ready_stages, task, store, data, workers, device, goes_on)
        record = run_cell(task, data, workers, device, report, ready, goes_on)
        if workers.rank == 0:
            store.write_cell(record)
        return record
