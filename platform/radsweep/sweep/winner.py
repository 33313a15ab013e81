"""The test split of a search: read once, for its winner alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ray
import torch

from radsweep.data.prepared import PreparedData
from radsweep.sweep.cluster import Room
from radsweep.sweep.store import Store
from radsweep.training.read_split import load_checkpoint, retrieval_of
from radsweep.training.record import CellRecord, PlannedCell


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
    final, chance = ray.get(task.remote(str(folder), data, room.device))
    record = record.model_copy(update={"final": final, "chance": record.chance | chance})
    store.write_cell(record)
    return record


@ray.remote
def _evaluate(folder: str, data: list[ray.ObjectRef], device: str) -> tuple[dict[str, float], dict[str, float]]:
    prepared: PreparedData = ray.get(data[0]).opened(ray.get)
    model, trial, _ = load_checkpoint(Path(folder))
    return retrieval_of(model, trial, prepared, "test", "test", torch.device(device))
