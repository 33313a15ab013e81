"""What makes two trials the same: their spec, their data, the code that decides numbers, the kind of device."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from radsweep.augment.words import check_words
from radsweep.data.shards import read_manifest
from radsweep.evaluation.prompts import load_prompts
from radsweep.spec.evaluate import Evaluate
from radsweep.spec.stage import Stage, stages_of
from radsweep.spec.trial import Trial
from radsweep.sweep.code import stage_code, trial_code


def cell_key(trial: Trial, data: str, device: str) -> str:
    """The key of a trial's record.

    Args:
        data: fingerprint of the data set.
        device: cpu or cuda.
    """
    # Where a copy of the data lies does not change what is learnt from it.
    spec = trial.model_dump(mode="json") | {"data": trial.data.model_dump(mode="json", exclude={"shards"})}
    text = trial.augment.text  # what a list of words says, wherever it lies
    spec["augment"]["text"]["words"] = _words(text.words) if text.changes_words else ""
    spec["evaluate"] = _evaluation(trial.evaluate)
    return _key(spec, data, trial_code(trial), device)


def _evaluation(evaluate: Evaluate) -> dict[str, Any]:
    """What decides the trial's numbers: settings of the tasks asked for, what prompts say, what sets hold."""
    spec = evaluate.model_dump(mode="json", exclude={"against", "sets"})
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
    """The key of a public model's record, never that of a trial; arguments as those of `cell_key`."""
    fold = {"folds": trial.data.folds, "fold": trial.data.fold}
    model = trial.model.model_dump(mode="json")
    spec: dict[str, Any] = {"reference": model, "evaluate": _evaluation(trial.evaluate), **fold}
    folder = Path(str(trial.model.whole))
    if folder.is_dir():  # other weights under the same name are another model
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        spec["files"] = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return _key(spec, data, trial_code(trial), device)


def stage_key(stage: Stage, data: str, device: str) -> str:
    """The key of an adaptation stage's record; arguments as those of `cell_key`."""
    return _key(stage.model_dump(mode="json"), data, stage_code(stage), device)


def stage_keys(trial: Trial, data: str, device: str) -> dict[str, str]:
    """image or text -> key of the stage that the trial starts from; arguments as those of `cell_key`."""
    return {name: stage_key(stage, data, device) for name, stage in stages_of(trial).items()}


@cache
def _words(words: str) -> str:
    return check_words(words)


def _key(spec: dict[str, Any], data: str, code: str, device: str) -> str:
    parts = [spec, data, code, device]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
