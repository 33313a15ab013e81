"""Checkpoints of a model, and the packing of the data sets that they were trained on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsweep.api.best import Best
from radsweep.api.sweeps import Sweep
from radsweep.config.trial import Trial
from radsweep.data import storage
from radsweep.data.shards.dataset import read_manifest
from radsweep.data.text.impressions import sections_of
from radsweep.errors import InputError
from radsweep.training.checkpoint import STATE


def checkpoint_of(source: Sweep | Best | str | os.PathLike[str]) -> str:
    """Return the folder of a checkpoint; a name that is not a folder here, such as a hub id, is returned as it is.

    Raises:
        InputError: the sweep has no checkpoint.
    """
    chosen = source.best if isinstance(source, Sweep) else source
    if isinstance(chosen, Best) and not chosen.folder.is_dir():
        raise InputError(
            f"{chosen.folder}: no checkpoint there; a sweep has one once it has ended, in the store that it ran in"
        )
    folder = Path(chosen).expanduser()
    return str(folder) if folder.exists() else os.fspath(chosen)


@dataclass(frozen=True)
class Packing:
    """Preparation of images and reports before training."""

    longest_side: int | None = None  # pixels that larger images were shrunk to
    sections: tuple[str, ...] = ()  # of reports, in order of preference


def packing_from(source: Mapping[str, Any]) -> Packing:
    """Read it from `source` of a data set's manifest."""
    made = source.get("importer") == "phantom"  # its images were made at their size, not shrunk to it
    return Packing(None if made else source.get("size"), sections_of(source))


def packing_of(checkpoint: Path, trial: Trial) -> Packing:
    """Preparation of the data set that a checkpoint was trained on.

    Its longest side is only known if the data set is still in its place on this machine.
    """
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Packing()
    known = Packing(sections=tuple(state.get("sections", ())))
    if storage.is_remote(trial.data.shards):  # a model is loaded without a network
        return known
    try:
        manifest = read_manifest(trial.data.shards)
    except (OSError, ValueError, InputError):
        return known
    return packing_from(manifest.source) if manifest.fingerprint == state.get("data") else known
