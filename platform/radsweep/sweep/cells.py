"""A cell answered by one group of workers: found in the store, waited for, or run here."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from radsweep.data.prepared import PreparedData
from radsweep.sweep.locks import Lock
from radsweep.sweep.results import is_complete
from radsweep.sweep.stages import ASK_AGAIN, ready_stages
from radsweep.sweep.store import Store
from radsweep.training.cell import run_cell
from radsweep.training.collectives import Workers
from radsweep.training.loop import GO_ON, PAUSE, Paused
from radsweep.training.record import CellRecord, Validation
from radsweep.training.task import Task

_THERE, _OURS, _WAIT, _STOP, _PAUSE = range(5)


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

    Worker 0 asks `goes_on` while another group is at the cell.

    Raises:
        Paused: told to.
        OSError: no room on the disk.
    """
    with Lock(store.cell_folder(task.key)) as lock:
        while True:
            state = workers.first(_state(store, task, lock, goes_on) if workers.rank == 0 else 0)
            if state != _WAIT:
                break
            time.sleep(ASK_AGAIN)
        if state == _PAUSE:
            raise Paused
        if state == _STOP:
            return CellRecord(key=task.key, trial=task.trial, status="stopped")
        if state == _THERE:  # worker 0 has read it; what the others make of it nobody asks
            return store.read_cell(task.key) or CellRecord(key=task.key, trial=task.trial, status="finished")
        ready = partial(ready_stages, task, store, data, workers, device, goes_on)
        record = run_cell(task, data, workers, device, report, ready)
        if workers.rank == 0:
            store.write_cell(record)
        return record


def _state(store: Store, task: Task, lock: Lock, goes_on: Callable[[], int]) -> int:
    if (order := goes_on()) != GO_ON:
        return _PAUSE if order == PAUSE else _STOP
    held = lock.take()  # before the record is looked for: whoever held it may have written it just now
    record = store.read_cell(task.key)
    if record is not None and is_complete(record, task.read_test):
        return _THERE
    return _OURS if held else _WAIT
