"""Checkpoints: safetensors and JSON, written whole or not at all, never a pickle.

A trial's folder holds `resume/` while it runs, and `checkpoint/` (the selected weights, the trial and its tokenizer:
what `evaluate` loads) once it has ended.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from radsweep.filesystem import sync_to_disk, write_atomically

logger = logging.getLogger(__name__)

WEIGHTS, STATE = "model.safetensors", "state.json"
OPTIMISER, SELECTED, AVERAGE = "optimiser.safetensors", "selected.safetensors", "average.safetensors"
TRAIL = "trail.safetensors"


def write_folder(folder: Path, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
    """Replace `folder` by one with a safetensors file for each group of tensors and `state.json`.

    A kill at any moment leaves the old folder, the new one, or (between two renames) the new one beside its place,
    where `read_folder` finds it.

    Raises:
        OSError: names the folder; the old one is as it was.
    """
    fresh, old = _beside(folder, "new"), _beside(folder, "old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        for name, group in tensors.items():
            save_file({key: value.detach().cpu().contiguous() for key, value in group.items()}, fresh / name)
            sync_to_disk(fresh / name)
        write_atomically(fresh / STATE, json.dumps(state))  # last: a folder with it is complete
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise _named(error, folder) from error
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    sync_to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def read_folder(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """Read the folder of `write_folder`; None if it is missing or incomplete. A damaged one is logged and ignored."""
    for place in (folder, _beside(folder, "new"), _beside(folder, "old")):
        if (place / STATE).exists():
            try:
                state = json.loads((place / STATE).read_text(encoding="utf-8"))
                return {file.name: load_file(file) for file in sorted(place.glob("*.safetensors"))}, state
            except (ValueError, SafetensorError) as error:
                logger.warning("%s is damaged and counts as not there: %s", place, error)
    return None


def remove_folder(folder: Path) -> None:
    for place in (folder, _beside(folder, "new"), _beside(folder, "old")):
        shutil.rmtree(place, ignore_errors=True)


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the state on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Per-parameter state as flat names: `3.exp_avg`."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}.{key}": torch.as_tensor(value) for number, values in state.items() for key, value in values.items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _named(error: OSError | SafetensorError, folder: Path) -> OSError:
    """The system's error, with the folder's name; safetensors only gives the error's number in its text."""
    found = re.search(r"os error (\d+)", str(error))
    number = int(found[1]) if found else getattr(error, "errno", None)
    return OSError(str(error)) if number is None else OSError(number, os.strerror(number), str(folder))


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")
