"""Evaluate a search's winner on the test split, and public models on the same split."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import ray
import torch

from radsweep.cluster.trial_capacity import Capacity
from radsweep.cluster.versions import versions
from radsweep.config.evaluation import shown_names
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.loading.stream import prepare_data
from radsweep.errors import InputError
from radsweep.evaluation.queries import write_queries
from radsweep.evaluation.task_results import Measured
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.models.pretrained_vlm import fitting_settings
from radsweep.store.records import CellRecord, PlannedCell, now
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import cell_trial, folds_of
from radsweep.sweep.identity.cell_key import reference_key
from radsweep.sweep.identity.code import code_fingerprint
from radsweep.sweep.preparation.prepare import prepared_sets, unread
from radsweep.sweep.setup import Setup
from radsweep.training.saved_model import load_checkpoint, measured_of, untrained_model

FIRST = -1_000_000  # number of the first reference: stages count down from -1


def measure_references(setup: Setup, store: Store, console: Console) -> list[tuple[PlannedCell, CellRecord]]:
    """Evaluate the models of `evaluate.public_models`, each once (once per fold), with records in the store.

    If the evaluation of a model fails, its record says so, and the sweep's own results are not affected.

    Raises:
        InputError: a model cannot be read, or is not a pretrained vision-language model.
    """
    base, capacity = setup.base, setup.capacity
    found: list[tuple[PlannedCell, CellRecord]] = []
    shown = shown_names(base.evaluate.public_models)
    for name, values in itertools.product(base.evaluate.public_models, folds_of(base)):
        data = trial_with(base, values).data
        model = fitting_settings(name)
        trial = Trial(data=data, model=model, evaluate=base.evaluate)
        shards = setup.preparations.shards_of(trial)
        key = reference_key(trial, shards.manifest.fingerprint, capacity.device)
        record = store.read_cell(key)
        if record is None or record.status != "finished":
            with console.task(f"Measuring {shown[name]}", 1) as advance:
                record = _record(key, trial, shards, store, capacity)
                advance(1)
        fold = values.get("data.fold")
        cell = PlannedCell(key=key, arm=shown[name], number=FIRST - len(found), reference=True, fold=fold)
        found.append((cell, record))
    return found


def _record(key: str, trial: Trial, shards: ShardIndex, store: Store, capacity: Capacity) -> CellRecord:
    known = {
        "key": key,
        "trial": trial.model_dump(mode="json"),
        "device": capacity.device,
        "code": code_fingerprint(),
        "data": shards.manifest.fingerprint,
        "versions": versions(),
        "started": now(),
    }
    try:
        measured = _measured(trial, shards, capacity)
    except (InputError, ray.exceptions.RayError) as error:
        line = " ".join(str(getattr(error, "cause", None) or error).split())[:300]
        record = CellRecord.model_validate(known | {"status": "failed", "error": line, "ended": now()})
    else:
        for name, results in measured.queries.items():
            write_queries(store.cell_folder(key) / name, results)
        numbers = {"final": measured.metrics, "chance": measured.chance, "pool": measured.pool}
        ending = {"status": "finished", "ended": now(), "notes": measured.notes}
        record = CellRecord.model_validate(known | numbers | ending)
    store.write_cell(record)
    return record


def _measured(trial: Trial, shards: ShardIndex, capacity: Capacity) -> Measured:
    tokenizer, image = trial.model.text.backbone, trial.cached_image
    own = preprocessing_of(image)
    data = prepare_data(shards, tokenizer, image.size, image.channels, unread(trial), own=own)
    data = dataclasses.replace(data, sets=prepared_sets(trial, tokenizer))
    task = _measure.options(num_cpus=capacity.cpus, num_gpus=capacity.gpus)
    measured: Measured = ray.get(task.remote(trial.model_dump(mode="json"), [ray.put(data)], capacity.device))
    return measured


@ray.remote
def _measure(trial: dict[str, object], data: list[ray.ObjectRef], device: str) -> Measured:
    prepared: PreparedData = ray.get(data[0]).materialise(ray.get)
    settings = Trial.model_validate(trial)
    return measured_of(untrained_model(settings, prepared.tokenizer), settings, prepared, "test", torch.device(device))


def read_test_split(setup: Setup, store: Store, cell: PlannedCell, rerun: Callable[[], None]) -> CellRecord | None:
    """Add test metrics to the winner's record in the store and return it. Its data must be prepared.

    Args:
        rerun: runs the cell again with the test split, if an earlier sweep removed its checkpoint.
    """
    record = store.read_cell(cell.key)
    if record is None or record.final:
        return record
    folder = store.cell_folder(cell.key) / "checkpoint"
    if not folder.is_dir():
        rerun()
        return store.read_cell(cell.key)
    data = setup.preparations.references[setup.preparations.key(cell_trial(setup.base, cell))]
    task = _evaluate.options(num_cpus=setup.capacity.cpus, num_gpus=setup.capacity.gpus)
    measured: Measured = ray.get(task.remote(str(folder), data, setup.capacity.device))
    for name, results in measured.queries.items():
        write_queries(store.cell_folder(cell.key) / name, results)
    also = {"chance": record.chance | measured.chance, "pool": record.pool | measured.pool}
    record = record.model_copy(
        update={"final": measured.metrics, **also, "notes": tuple(dict.fromkeys((*record.notes, *measured.notes)))}
    )
    store.write_cell(record)
    return record


@ray.remote
def _evaluate(folder: str, data: list[ray.ObjectRef], device: str) -> Measured:
    prepared: PreparedData = ray.get(data[0]).materialise(ray.get)
    model, trial, _ = load_checkpoint(Path(folder))
    return measured_of(model, trial, prepared, "test", torch.device(device))
