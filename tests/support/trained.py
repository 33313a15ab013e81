"""Run a trial in this process, and compare the reproducible part of its outcome."""

from __future__ import annotations

from radsweep.config.trial import Trial
from radsweep.training.outcome import Outcome
from radsweep.training.trainer import train
from support.synthetic import synthetic_data


def run(trial: Trial, **options: object) -> Outcome:
    return train(trial, synthetic_data(), **options)  # type: ignore[arg-type]


def numbers(outcome: Outcome) -> tuple[object, ...]:
    """Everything that must not depend on when and where a trial ran."""
    history = [
        (v.epoch, v.step, {k: x for k, x in v.metrics.items() if k != "train/samples_per_second"})
        for v in outcome.history
    ]
    return history, outcome.best, outcome.best_step, outcome.final, outcome.steps, outcome.epochs, outcome.convergence


EVERYTHING = {
    "objective.neighbours.weight": 0.5,
    "objective.neighbours.bank": 24,
    "objective.image_ssl.weight": 0.5,
    "objective.image_ssl.hidden": 32,
    "objective.image_ssl.dim": 16,
    "objective.text_ssl.weight": 0.2,
    "objective.local.weight": 0.5,
    "objective.views.text": 2,
    "augment.text.sentences": "sample",
    "train.batch_size": 16,
    "train.ema": 0.9,
    "train.layer_decay": 0.8,
}
