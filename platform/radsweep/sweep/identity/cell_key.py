"""Keys of trials: a hash of settings, data, the code that affects numbers, and the type of device."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from radsweep.augment.words import check_words
from radsweep.config.data import Data
from radsweep.config.evaluation import Evaluate
from radsweep.config.paths import local_weights
from radsweep.config.stages import Stage, stages_of
from radsweep.config.trial import Trial
from radsweep.data.shards.dataset import read_manifest
from radsweep.evaluation.prompts import load_prompts
from radsweep.sweep.identity.code import stage_code, trial_code

NAMES_OF_WEIGHTS = ("backbone", "pretrained")


def cell_key(trial: Trial, data: str, device: str) -> str:
    """Return the key of a trial's record.

    Args:
        data: fingerprint of the data set.
        device: cpu or cuda.
    """
    # The path of the data does not affect what is learnt from it.
    spec = trial.model_dump(mode="json") | {"data": data_spec(trial.data)}
    text = trial.augment.text  # the content of a word list counts, not its path
    spec["augment"]["text"]["words"] = _words(text.words) if trial.reads_words else ""
    spec["evaluate"] = _evaluation(trial.evaluate)
    return _key(_weighed(spec), data, trial_code(trial), device)


def data_spec(data: Data) -> dict[str, Any]:
    """Return the settings of the data that count; those of the part that selects, only if one is set."""
    spec = data.model_dump(mode="json", exclude={"shards"})
    return {key: value for key, value in spec.items() if value is not None or not key.startswith("validation_")}


def _weighed(spec: dict[str, Any]) -> dict[str, Any]:
    """Replace the paths of local weights by their files, since other weights at the same path are another model."""
    found = dict(spec)
    for key, value in spec.items():
        if isinstance(value, dict):
            found[key] = _weighed(value)
        elif key in NAMES_OF_WEIGHTS and value and Path(path := local_weights(value)).is_absolute():
            library = value.removesuffix(path)
            found[key] = [library, _files(path)] if library else _files(path)
    return found


def _files(weights: str) -> str | list[tuple[str, int, int]]:
    """List name, bytes and time of each file, so that gigabytes need not be read; of a missing file its name."""
    place = Path(weights)
    if not place.is_dir():
        return [_file(place, place.parent)] if place.is_file() else weights
    within = (file.relative_to(place) for file in place.rglob("*") if file.is_file())
    return [_file(place / file, place) for file in sorted(within) if not any(part[0] == "." for part in file.parts)]


def _file(file: Path, folder: Path) -> tuple[str, int, int]:
    return str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns


def _evaluation(evaluate: Evaluate) -> dict[str, Any]:
    """Return what affects the numbers: settings of the tasks, content of the prompts, fingerprints of the sets."""
    spec = evaluate.model_dump(mode="json", exclude={"public_models", "sets"})
    for task in ("zero_shot", "linear_probe", "class_retrieval"):
        if task not in evaluate.tasks:
            del spec[task]
        elif task == "zero_shot":
            spec[task]["prompts"] = _prompts(evaluate.zero_shot.prompts)
    return spec | {"sets": [_fingerprint(folder) for folder in evaluate.sets]}


@cache
def _prompts(prompts: str) -> str:
    return load_prompts(prompts).sha256


@cache
def _fingerprint(folder: str) -> str:
    return read_manifest(folder).fingerprint


def reference_key(trial: Trial, data: str, device: str) -> str:
    """Return the key of a public model's record, which is never that of a trial; arguments as those of `cell_key`."""
    fold = {"folds": trial.data.folds, "fold": trial.data.fold}
    model = trial.model.model_dump(mode="json")
    spec = {"reference": model, "evaluate": _evaluation(trial.evaluate), **fold}
    return _key(_weighed(spec), data, trial_code(trial), device)


def stage_key(stage: Stage, data: str, device: str) -> str:
    """Return the key of an adaptation stage's record; arguments as those of `cell_key`."""
    return _key(_weighed(stage.model_dump(mode="json")), data, stage_code(stage), device)


def stage_keys(trial: Trial, data: str, device: str) -> dict[str, str]:
    """Return {image or text: key of the stage that the trial starts from}; arguments as those of `cell_key`."""
    return {name: stage_key(stage, data, device) for name, stage in stages_of(trial).items()}


@cache
def _words(words: str) -> str:
    return check_words(words)


def _key(spec: dict[str, Any], data: str, code: str, device: str) -> str:
    parts = [spec, data, code, device]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
