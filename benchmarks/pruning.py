"""TPE with asha beside random search without stopping: compute to the same validation score.

Recorded learning curves are replayed through radsweep's own searcher and stopping rule: a suggestion has the curve of
the nearest recorded trial (each key scaled to its range, learning rates in the logarithm). `--record FILE` makes the
recording: trials at the points of a Sobol sequence, really trained on a small phantom, one after another.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import Figures, run, tell

from radsweep.spec.load import trial_with
from radsweep.spec.search import Search
from radsweep.spec.trial import Trial

RECORDING = Path(__file__).with_name("pruning_curves.csv")
SPACE: dict[str, dict[str, Any]] = {
    "train.learning_rate": {"loguniform": [1e-5, 3e-2]},
    "augment.image.affine": {"uniform": [0.0, 1.0]},
    "train.warmup": {"uniform": [0.0, 0.5]},
}
RECORDED, STEPS, EVERY = 128, 64, 4  # trials, their steps, and steps between validations
SEEDS, TRIALS, SLOTS = 5, 40, 2  # TRIALS: of random search, each to its end; ours gets the same compute
SELECT = "val/text_to_image/recall_at_10"
BASE = {
    "data": {"shards": "phantom"},
    "model": {"image": {"size": 32}, "dim": 32},
    "train": {"until": "steps", "steps": STEPS, "batch_size": 32},
    "evaluate": {"every_steps": EVERY, "select": SELECT},
}


def record(file: Path) -> None:
    """Train the recorded trials, and write one row a validation. Goes on where it was cut."""
    import torch
    from scipy.stats import qmc

    from radsweep.data.decode import prepare_in_process, read_index
    from radsweep.data.phantom import write_phantom
    from radsweep.data.tokenizer import train_tokenizer
    from radsweep.training.collectives import Workers
    from radsweep.training.trainer import train

    done = {int(row["trial"]) for row in _rows(file)} if file.exists() else set()
    points = qmc.Sobol(len(SPACE), seed=0).random(RECORDED)
    with tempfile.TemporaryDirectory() as folder, file.open("a", newline="") as out:
        shards = Path(folder) / "phantom"
        write_phantom(shards, pairs=192, size=32, validation=160, test=20, unpaired_images=0, unpaired_reports=0)
        index = read_index(shards)
        reports = zip(index.splits["train"].patient_ids, index.reports["train"], strict=True)
        data = prepare_in_process(index, train_tokenizer(reports, 500), 32, 1)
        writer = csv.writer(out)
        if not done:
            writer.writerow(["trial", *SPACE, "step", "score"])
        for number, point in enumerate(points):
            if number in done:
                continue
            values = {key: _value(key, part) for key, part in zip(SPACE, point, strict=True)}
            trial = trial_with(Trial.model_validate(BASE), values)
            outcome = train(trial, data, workers=Workers(), device=torch.device("cpu"))
            for look in outcome.history:
                score = f"{look.metrics[SELECT]:.4f}"
                writer.writerow([number, *(f"{value:.5g}" for value in values.values()), look.step, score])
            out.flush()
            tell(f"{number + 1} of {RECORDED}: {max(look.metrics[SELECT] for look in outcome.history):.3f}")


def _value(key: str, part: float) -> float:
    (kind, (low, high)), *_ = SPACE[key].items()
    return float(low * (high / low) ** part) if kind == "loguniform" else float(low + part * (high - low))


def _part(key: str, value: float) -> float:
    (kind, (low, high)), *_ = SPACE[key].items()
    return math.log(value / low) / math.log(high / low) if kind == "loguniform" else (value - low) / (high - low)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as rows:
        return list(csv.DictReader(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--record"]:
        record(Path(sys.argv[2]))
