"""Shared parts of the benchmarks: options and output, a phantom data set, and the trial that is repeated."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import radsweep.sweep  # noqa: F401 - its settings must be made before Ray is imported
from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.data.phantom import write_phantom

LEARNING_RATES = {"loguniform": [1e-4, 2e-3]}
Figures = dict[str, Any]


def run(measure: Callable[..., Figures], **folders: str) -> None:
    """Measure in a temporary folder and print the figures: one JSON object with --json, else a short table.

    measure: takes the folder, and a flag for tiny settings, which only show that the benchmark works.
    folders: options that name a folder, with their help; `measure` takes them by name.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    for name, explained in folders.items():
        parser.add_argument(f"--{name}", type=Path, help=explained)
    options = parser.parse_args()
    named = {name: getattr(options, name) for name in folders}
    with quiet_output() as out, tempfile.TemporaryDirectory(prefix="radsweep-") as folder:
        figures = measure(Path(folder), options.quick, **named) | {"machine": machine()}
        print(json.dumps(figures) if options.json else "\n".join(_table(figures)), file=out, flush=True)


@contextmanager
def quiet_output() -> Iterator[Any]:
    """Send everything that is printed to standard error, and yield a file that writes to standard output."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        yield out


def tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def phantom(folder: Path, pairs: int, quick: bool) -> Path:
    """Write a data set that only has pairs, of 64 pixels, with the usual 400 studies to validate on."""
    shards = folder / "shards"
    others = 40 if quick else 400
    write_phantom(shards, pairs=pairs, validation=others, test=others, unpaired_images=0, unpaired_reports=0)
    return shards


def short_trial(shards: Path, changes: Mapping[str, Any]) -> Trial:
    """Trial with the tiny towers on all pairs, validated after each epoch, with `changes` (dotted keys)."""
    base = {
        "data": {"shards": str(shards)},
        "train": {"until": "epochs", "epochs": 2, "batch_size": 64},
        "evaluate": {"every_steps": 1},
    }
    return trial_with(Trial.model_validate(base), changes)


def random_search(trial: Trial, trials: int, slots: int, folder: Path) -> Experiment:
    """Search that draws random learning rates."""
    return Experiment.model_validate(
        trial.model_dump(mode="json")
        | {
            "experiment": "benchmark",
            "search": {"algorithm": "random", "trials": trials, "space": {"train.learning_rate": LEARNING_RATES}},
            "run": {"store": str(folder / "store"), "tracking_uri": f"sqlite:///{folder}/mlflow.db", "slots": slots},
        }
    )


def machine() -> dict[str, str | int]:
    """Processor, cores and versions, on which the figures depend."""
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    libraries = {library: importlib.metadata.version(library) for library in ("torch", "ray")}
    return {"processor": name, "cores": os.cpu_count() or 1, "python": platform.python_version(), **libraries}


def _table(figures: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _table(value, f"{prefix}{key} ")
        else:
            yield f"{prefix + key:<36} {value:.4g}" if isinstance(value, float) else f"{prefix + key:<36} {value}"
