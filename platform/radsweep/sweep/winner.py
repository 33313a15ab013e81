"""The test split of a search: read once, for its winner alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ray
import torch

from radsweep.cluster.capacity import Room
from radsweep.data.loading.prepared import PreparedData
from radsweep.evaluation.queries import write_queries
from radsweep.store.records import CellRecord, PlannedCell
from radsweep.store.store import Store
from radsweep.training.measured import Measured
from radsweep.training.read_split import load_checkpoint, measured_of


def read_test_split(
    store: Store, cell: PlannedCell, data: list[ray.ObjectRef], room: Room, rerun: Callable[[], None]
) -> CellRecord | None:
    """The winner's record with its test metrics, written to the store.

    Args:
        data: [reference to the prepared data].
        rerun: runs the cell again, reading the test split, where its checkpoint was let go by an earlier sweep.
    """
    record = store.read_cell(cell.key)
    if record is None or record.final:
        return record
    folder = store.cell_folder(cell.key) / "checkpoint"
    if not folder.is_dir():
        rerun()
        return store.read_cell(cell.key)
    task = _evaluate.options(num_cpus=room.cpus, num_gpus=room.gpus)
    measured: Measured = ray.get(task.remote(str(folder), data, room.device))
    for name, results in measured.queries.items():
        write_queries(store.cell_folder(cell.key) / name, results)
    also = {"chance": record.chance | measured.chance, "pool": record.pool | measured.pool}
    record = record.model_copy(update={"final": measured.metrics, **also, "notes": (*record.notes, *measured.notes)})
    store.write_cell(record)
    return record


@ray.remote
def _evaluate(folder: str, data: list[ray.ObjectRef], device: str) -> Measured:
    prepared: PreparedData = ray.get(data[0]).opened(ray.get)
    model, trial, _ = load_checkpoint(Path(folder))
    return measured_of(model, trial, prepared, "test", torch.device(device))
