"""Compute of TPE with asha, compared with random search without stopping, to the same validation score.

Recorded learning curves are replayed through radsweep's searcher and stopping rule. A suggestion gets the curve of the
nearest recorded trial, with each key scaled to its range and learning rates in the logarithm. The first run makes the
recording, pruning_curves.csv next to this file. Its trials are at the points of a Sobol sequence and are trained on the
phantom, on a GPU if the machine has one. An interrupted recording is continued.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from common import Figures, run, tell

from radsweep.config.load import trial_with
from radsweep.config.search import Search
from radsweep.config.trial import Trial
from radsweep.store.records import CellRecord, Validation
from radsweep.sweep.search.optuna_study import open_study
from radsweep.sweep.search.searcher import StudySearch

RECORDING = Path(__file__).with_name("pruning_curves.csv")
SPACE: dict[str, dict[str, Any]] = {
    "train.learning_rate": {"loguniform": [1e-5, 3e-2]},
    "augment.image.affine": {"uniform": [0.0, 1.0]},
    "train.warmup": {"uniform": [0.0, 0.5]},
}
STEPS, EVERY = 200, 20  # steps of a recorded trial, and between its validations
PAIRS, RECORDED = 300, 64  # training pairs, recorded trials
SEEDS, TRIALS, SLOTS = 5, 40, 2  # TRIALS: trials of random search, each run to its end; ours gets the same compute
OURS = {"algorithm": "tpe", "scheduler": "asha", "grace_period": 2, "reduction_factor": 3}
SELECT = "val/text_to_image/recall_at_10"
BASE = {
    "data": {"shards": "phantom"},
    "train": {"until": "steps", "steps": STEPS, "batch_size": 64, "weight_decay": 0.05},
    "evaluate": {"every_steps": EVERY, "select": SELECT},
}


def record(file: Path, quick: bool) -> None:
    """Train the recorded trials, and write one row for each validation. Continue an interrupted recording."""
    import torch
    from scipy.stats import qmc

    from radsweep.data.loading.decode import prepare_in_process, read_index
    from radsweep.data.phantom import write_phantom
    from radsweep.data.text.tokenizer import train_tokenizer
    from radsweep.training.context import RunContext
    from radsweep.training.trainer import train

    done = {int(row["trial"]) for row in _rows(file)} if file.exists() else set()
    points = qmc.Sobol(len(SPACE), seed=0).random(8 if quick else RECORDED)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder, file.open("a", newline="") as out:
        shards = Path(folder) / "phantom"
        pairs, others = (20, 10) if quick else (PAIRS, 400)
        write_phantom(shards, pairs=pairs, validation=others, test=2, unpaired_images=0, unpaired_reports=0)
        index = read_index(shards)
        reports = zip(index.splits["train"].patient_ids, index.reports["train"], strict=True)
        data = prepare_in_process(index, train_tokenizer(reports, 8000), 64, 1)
        writer = csv.writer(out)
        if not done:
            writer.writerow(["trial", *SPACE, "step", "score"])
        for number, point in enumerate(points):
            if number in done:
                continue
            values = {key: _value(key, part) for key, part in zip(SPACE, point, strict=True)}
            trial = trial_with(Trial.model_validate(BASE), values)
            if quick:
                trial = trial_with(trial, {"train.batch_size": 10, "train.steps": 20, "evaluate.every_steps": 2})
            outcome = train(trial, data, RunContext(device=device))
            for look in outcome.history:
                score = f"{look.metrics[SELECT]:.4f}"
                writer.writerow([number, *(f"{value:.5g}" for value in values.values()), look.step, score])
            out.flush()
            tell(f"recorded {number + 1} of {len(points)}: {max(look.metrics[SELECT] for look in outcome.history):.3f}")


def _value(key: str, part: float) -> float:
    (kind, (low, high)), *_ = SPACE[key].items()
    return float(low * (high / low) ** part) if kind == "loguniform" else float(low + part * (high - low))


def _part(key: str, value: float) -> float:
    (kind, (low, high)), *_ = SPACE[key].items()
    return math.log(value / low) / math.log(high / low) if kind == "loguniform" else (value - low) / (high - low)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as rows:
        return list(csv.DictReader(rows))


class Curves:
    """Recorded curves. They are also the `Cells` of a searcher, none of which is known beforehand."""

    def __init__(self, file: Path) -> None:
        found: dict[int, list[dict[str, str]]] = {}
        for row in _rows(file):
            found.setdefault(int(row["trial"]), []).append(row)
        looks = [rows for rows in found.values() if len(rows) == STEPS // EVERY]  # complete ones only
        self.scores = [[float(row["score"]) for row in rows] for rows in looks]
        self.points = np.array([[_part(key, float(rows[0][key])) for key in SPACE] for rows in looks])
        self.records: dict[str, CellRecord] = {}

    def nearest(self, values: Mapping[str, float]) -> int:
        point = np.array([_part(key, values[key]) for key in SPACE])
        return int(((self.points - point) ** 2).sum(1).argmin())

    def find(self, values: dict[str, Any], pairs: int | None) -> str:
        self.values = values
        return json.dumps(values)

    def known(self, key: str) -> CellRecord | None:
        return None

    def ended(self, key: str) -> CellRecord | None:
        return self.records.get(key)

    def config(self, key: str) -> dict[str, Any]:
        return {"key": key, "scores": self.scores[self.nearest(self.values)]}


class Progress(NamedTuple):
    compute: list[int]  # validations so far, over all trials; the cost of a trial between two of them is one unit
    best: list[float]  # best score so far

    def until(self, score: float) -> int:
        """Compute at which a score is reached."""
        return next(paid for paid, best in zip(self.compute, self.best, strict=True) if best >= score)


def replay(file: Path, settings: Mapping[str, Any], seed: int, compute: int) -> Progress:
    """Run a search over recorded curves in SLOTS slots, until its compute is spent."""
    curves, search = (
        Curves(file),
        Search.model_validate({"space": SPACE, "seed": seed, "trials": 10_000} | dict(settings)),
    )
    study = open_study(search, "study", optuna.storages.InMemoryStorage())
    searcher = StudySearch(search, Trial.model_validate(BASE), curves, study)
    progress, running, started = Progress([], []), {}, 0
    while len(progress.compute) < compute:
        while len(running) < SLOTS:
            running[str(started)] = (searcher.suggest(str(started)), [])
            started += 1
        for slot, (asked, seen) in list(running.items()):
            seen.append(asked["scores"][len(seen)])
            progress.compute.append(len(progress.compute) + 1)
            progress.best.append(max(seen[-1], *progress.best[-1:], 0.0))
            stops = searcher.validated(slot, {"score": seen[-1], "at_step": EVERY * len(seen)})
            if stops or len(seen) == len(asked["scores"]):
                del running[slot]
                if not stops:
                    history = [
                        Validation(epoch=0, step=EVERY * (i + 1), seconds=0, metrics={SELECT: score})
                        for i, score in enumerate(seen)
                    ]
                    curves.records[asked["key"]] = CellRecord(
                        key="", trial={}, status="finished", history=tuple(history), best={SELECT: max(seen)}
                    )
                searcher.on_trial_complete(slot, {"done": True} | ({} if stops else {"status": "finished"}))
    return progress


def measure(folder: Path, quick: bool) -> Figures:
    recording = folder / RECORDING.name if quick else RECORDING
    record(recording, quick)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    compute = (8 if quick else TRIALS) * STEPS // EVERY
    ours, random = (
        [replay(recording, settings, seed, compute) for seed in range(2 if quick else SEEDS)]
        for settings in (OURS, {"algorithm": "random"})
    )
    ratios: list[float] = []
    for one, other in itertools.product(ours, random):  # every pair of seeds, since a single pair depends on luck
        target = min(one.best[-1], other.best[-1])  # the score that both reach
        ratios.append(other.until(target) / one.until(target))
    return {
        "seeds": len(ours),
        "recorded_trials": len(Curves(recording).scores),
        "compute_ratio": statistics.median(ratios),
        "compute_ratio_quartiles": statistics.quantiles(ratios, n=4)[::2],
        "compute_ratio_range": [min(ratios), max(ratios)],
        "scores": {"tpe_asha": [one.best[-1] for one in ours], "random": [other.best[-1] for other in random]},
        "best_recorded": max(max(scores) for scores in Curves(recording).scores),
    }


if __name__ == "__main__":
    run(measure)
