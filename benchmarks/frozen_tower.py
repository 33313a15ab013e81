"""Seconds of a trial with a frozen image tower and no augmentation, with and without precomputed features.

In a sweep, such a tower runs once: its features are a stage, stored and shared like an adaptation. `stage_s` is the
cost of that stage. Both sides train the same trial, a small ResNet with the tiny text tower, on one thread.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from common import Figures, phantom, run, short_trial, tell

from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.text.tokenizer import train_tokenizer
from radsweep.training.frozen_features import load_frozen, run_frozen
from radsweep.training.outcome import Outcome
from radsweep.training.trainer import train

LIT = {
    "model.image.backbone": "resnet18",
    "model.image.freeze": True,
    "augment.image.crop": [1.0, 1.0],
    "augment.image.affine": 0.0,
    "augment.image.brightness": 0.0,
    "augment.image.contrast": 0.0,
    "augment.image.noise": 0.0,
}


def measure(folder: Path, quick: bool) -> Figures:
    turns, pairs = (1, 64) if quick else (5, 512)
    shards = read_index(phantom(folder, pairs, quick))
    reports = zip(shards.splits["train"].patient_ids, shards.reports["train"], strict=True)
    trial = short_trial(shards.folder, LIT)
    data = prepare_in_process(shards, train_tokenizer(reports, trial.model.text.vocabulary), 64, 1)
    began = time.perf_counter()
    run_frozen("image", trial, data, folder=folder / "stage", adapted={})
    stage_s = time.perf_counter() - began
    features = load_frozen(folder / "stage")
    assert features is not None
    taken: dict[str, list[float]] = {"with": [], "without": []}
    outcomes: dict[str, Outcome] = {}
    tell(f"{turns} turns of a trial on each side")
    for turn in range(turns):
        for side in sorted(taken, reverse=bool(turn % 2)):
            began = time.perf_counter()
            frozen = {"image": features} if side == "with" else {}
            outcomes[side] = train(trial, data, frozen=frozen)
            taken[side].append(time.perf_counter() - began)
    trial_s, frozen_trial_s = (statistics.median(taken[side]) for side in ("without", "with"))
    best = [outcomes[side].best[trial.evaluate.select] for side in ("without", "with")]
    return {
        "trial_s": trial_s,
        "frozen_trial_s": frozen_trial_s,
        "ratio": trial_s / frozen_trial_s,
        "metric_difference": abs(best[0] - best[1]),
        "stage_s": stage_s,
    }


if __name__ == "__main__":
    run(measure)
