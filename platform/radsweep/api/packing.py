"""How the data set behind a model was packed: what its images and reports went through before training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsweep.config.trial import Trial
from radsweep.data.shards.dataset import read_manifest
from radsweep.errors import InputError
from radsweep.training.checkpoint import STATE


@dataclass(frozen=True)
class Packing:
    longest_side: int | None = None  # pixels that larger images were shrunk to
    sections: tuple[str, ...] = ()  # of reports, in order of preference


def packing_from(source: Mapping[str, Any]) -> Packing:
    """From `source` of a data set's manifest."""
    sections = str(source.get("sections", "")).split(", ")
    made = source.get("importer") == "phantom"  # its images were made at their size, not shrunk to it
    return Packing(None if made else source.get("size"), tuple(filter(None, sections)))


def packing_of(checkpoint: Path, trial: Trial) -> Packing:
    """Of the data set that a checkpoint was trained on, if that is still where it was."""
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        manifest = read_manifest(trial.data.shards)
    except (OSError, ValueError, InputError):
        return Packing()
    return packing_from(manifest.source) if manifest.fingerprint == state.get("data") else Packing()
