"""A checkpoint measured on a split of a packed data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.table import Table

from radsweep.data.decode import ShardIndex, prepare_in_process, read_index
from radsweep.data.folds import fold_of
from radsweep.data.index import read_split
from radsweep.data.schema import Split
from radsweep.data.shards import read_manifest, shard_paths
from radsweep.errors import InputError
from radsweep.report import wording
from radsweep.sweep.progress import Console
from radsweep.training.read_split import load_checkpoint, retrieval_of, trained_on


def retrieval_on_shards(checkpoint: Path, data: Path, split: Split) -> dict[str, Any]:
    """What `radsweep evaluate --json` prints: {data, fingerprint, split, candidates, metrics {name: {value, chance}}}.

    Raises:
        InputError: no checkpoint, no data set, or fewer than 2 pairs in the split.
    """
    manifest = read_manifest(data)
    model, trial, tokenizer = load_checkpoint(checkpoint)
    if trial.data.folds and trained_on(checkpoint) == manifest.fingerprint:  # it saw patients of every split as packed
        shards = fold_of(read_index(data, ()), trial.data.folds, trial.data.fold)
    else:
        found, reports = read_split(shard_paths(data, manifest, "pairs", split))
        shards = ShardIndex(data, manifest, {split: found}, {split: reports})
    index = shards.splits[split]
    if len(index) < 2:
        raise InputError(f"{data}: the {split} split has {len(index)} pairs, retrieval needs 2 or more")
    image = trial.model.image
    console = Console()
    with console.task(f"Reading {len(index):,} studies", len(index)) as advance:
        prepared = prepare_in_process(shards, tokenizer, image.size, image.channels)
        advance(len(index))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    values, chance = retrieval_of(model, trial, prepared, split, "test" if split == "test" else "val", device)
    return {
        "data": manifest.name,
        "fingerprint": manifest.fingerprint,
        "split": split,
        "candidates": len(index),
        "metrics": {name: {"value": value, "chance": chance[name]} for name, value in values.items()},
    }


def evaluation_table(found: dict[str, Any]) -> Table:
    """The same for the terminal: each number beside its chance level and the size of the pool."""
    table = Table(title=f"{found['data']}, {found['split']} split", box=box.SIMPLE_HEAD)
    table.add_column("metric")
    for column in ("value", "chance", "candidates"):
        table.add_column(column, justify="right")
    for name, numbers in found["metrics"].items():
        shown = (wording.number(name, numbers[what]) for what in ("value", "chance"))
        table.add_row(wording.metric_name(name), *shown, f"{found['candidates']:,}")
    return table
