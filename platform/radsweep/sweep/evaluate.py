"""Measure a checkpoint, or a public model as it is, on a split of a packed data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data.loading.decode import ShardIndex, prepare_in_process, read_index
from radsweep.data.loading.folds import fold_of
from radsweep.data.loading.index import read_split
from radsweep.data.shards.dataset import read_manifest, shard_paths
from radsweep.data.shards.schema import Split
from radsweep.errors import InputError, explaining
from radsweep.evaluation.queries import QUERIES, write_queries
from radsweep.evaluation.task_results import Measured
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.sweep.checks.data import check_tasks
from radsweep.sweep.preparation.evaluation_sets import read_sets
from radsweep.training.evaluate_tasks import NAMES
from radsweep.training.saved_model import load_target, measured_of, trained_on


def evaluate_model(
    target: str, data: str, split: Split, settings: Mapping[str, Any], queries: Path | None = None
) -> dict[str, Any]:
    """Evaluate a model; returns what `radsweep evaluate --json` prints.

    That is {model, data, fingerprint, split, tasks, candidates, notes, metrics {name: {value, chance}}}.

    Args:
        target: folder of a checkpoint, or hub id or local folder of a pretrained vision-language model.
        settings: `evaluate.` keys to change, such as {"evaluate.tasks": ["retrieval", "zero_shot"]}.
        queries: file for the results of each query.

    Raises:
        InputError: the checkpoint, model or data set does not exist, or the split has fewer than 2 pairs or does not
            support a task.
    """
    if other := [key for key in settings if not key.startswith("evaluate.")]:
        raise InputError(f"--set {other[0]}: a model is measured as it is, so only keys of `evaluate` can be set")
    if queries is not None and queries.exists():
        raise InputError(f"--queries {queries}: already exists; choose another name")
    if queries is not None and not queries.absolute().parent.is_dir():
        raise InputError(f"--queries {queries}: its folder does not exist; create it first")
    manifest = read_manifest(data)
    model, trial, tokenizer = load_target(target)
    with explaining("radsweep evaluate"):
        trial = trial_with(trial, {"data.shards": str(data), "evaluate.sets": [], **settings})
    # a fold saw patients of every split as packed
    own_fold = trial.data.folds is not None and trained_on(Path(target)) == manifest.fingerprint
    shards = _fold(data, trial) if own_fold else _index(data, split, trial)
    with explaining("radsweep evaluate"):
        check_tasks(trial.evaluate, shards, split, streamed=False)
    console = Console()
    studies = sum(map(len, shards.splits.values()))
    with console.task(f"Reading {studies:,} studies", studies) as advance:
        image = trial.cached_image
        own = preprocessing_of(image)
        prepared = prepare_in_process(shards, tokenizer, image.size, image.channels, own=own)
        sets = read_sets(trial.evaluate)
        others = tuple(prepare_in_process(each, tokenizer, image.size, image.channels, own=own) for each in sets)
        prepared = dataclasses.replace(prepared, sets=others)
        advance(studies)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with console.task(f"Measuring {', '.join(trial.evaluate.tasks)}", 1) as advance:
        measured = measured_of(model, trial, prepared, split, device)
        advance(1)
    if trial.data.folds is not None and not own_fold:
        measured.notes.insert(
            0,
            "this checkpoint is from a cross-validation; if it was trained on these patients, packed in another way, "
            "the numbers are optimistic",
        )
    if queries is not None:
        write_queries(queries, measured.queries[QUERIES])
    return _told(target, shards, split, trial, measured)


def _fold(data: str, trial: Trial) -> ShardIndex:
    assert trial.data.folds is not None
    return fold_of(read_index(data, ()), trial.data.folds, trial.data.fold)


def _index(data: str, split: Split, trial: Trial) -> ShardIndex:
    """Read only the split, or all splits if a linear probe or class retrieval needs them."""
    manifest = read_manifest(data)
    needed: tuple[Split, ...] = (split,)
    if {"linear_probe", "class_retrieval"} & set(trial.evaluate.tasks):
        needed = ("train", "validation", "test")
    found = {name: read_split(shard_paths(data, manifest, "pairs", name), manifest.labels) for name in needed}
    if len(found[split][0]) < 2:
        raise InputError(f"{data}: the {split} split has {len(found[split][0])} pairs, retrieval needs 2 or more")
    return ShardIndex(
        data,
        manifest,
        {name: index for name, (index, _) in found.items()},
        {n: texts for n, (_, texts) in found.items()},
    )


def _told(target: str, shards: ShardIndex, split: Split, trial: Trial, measured: Measured) -> dict[str, Any]:
    return {
        "model": target,
        "data": shards.manifest.name,
        "fingerprint": shards.manifest.fingerprint,
        "split": split,
        "tasks": list(trial.evaluate.tasks),
        "candidates": measured.pool[f"{NAMES[split]}/candidates"],
        "notes": measured.notes,
        "metrics": {
            name: {"value": value, "chance": measured.chance.get(name)} for name, value in measured.metrics.items()
        },
    }
