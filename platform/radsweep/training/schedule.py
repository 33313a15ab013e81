"""Length and learning rate of training: a fixed length, or until the validation metric is flat.

`until: epochs | steps` warms up, then decays to 0 along a cosine. A plateau's length is not known beforehand: the
rate stays at its peak until the metric has been flat for `patience` validations, then decays along a cosine for
`cooldown` of the steps so far. Every run so ends annealed, long or short, and lengths are comparable across sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from radsweep.config.training import Train


@dataclass
class Schedule:
    """State of a run's length. Plain numbers, kept in the checkpoint."""

    ceiling: int  # steps that are never passed
    warmup: int
    until_plateau: bool
    patience: int
    cooldown: float
    best: float = -math.inf
    best_step: int = 0
    waited: int = 0  # validations since the best
    cooldown_start: int | None = None
    end: int = 0
    plateau: bool = False  # flat before the ceiling: converged

    def rate(self, step: int) -> float:
        """Factor on the learning rate for step 0, 1, ..."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.cooldown_start is None:
            return 1.0
        progress = (step - self.cooldown_start) / max(1, self.end - self.cooldown_start)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))

    def finished(self, step: int) -> bool:
        return step >= self.end

    def validated(self, score: float, step: int) -> bool:
        """Take note of a validation score (higher is better); True if it is the best so far."""
        improved = score > self.best
        if improved:
            self.best, self.best_step, self.waited = score, step, 0
        else:
            self.waited += 1
        flat = self.until_plateau and self.waited >= self.patience and step >= self.warmup
        if flat and (self.cooldown_start is None or step < self.cooldown_start):
            self.plateau = True
            self.cooldown_start = step
            self.end = min(self.ceiling, step + math.ceil(self.cooldown * step))
        return improved

    @property
    def converged(self) -> bool:
        """True if the metric had stopped rising: a plateau was found, or the last `patience` validations of a run of
        fixed length brought nothing better."""
        return self.plateau or self.waited >= self.patience


def schedule_for(train: Train, steps_per_epoch: int) -> Schedule:
    """The schedule of a trial whose epochs have this many optimiser steps."""
    if train.until == "plateau":
        ceiling = train.max_steps or train.max_epochs * steps_per_epoch
    else:
        ceiling = train.steps if train.until == "steps" else train.epochs * steps_per_epoch
    warmup = math.ceil(train.warmup * ceiling) if train.warmup else 0
    plateau = train.until == "plateau"
    start = math.floor(ceiling / (1 + train.cooldown)) if plateau else warmup
    return Schedule(
        ceiling, warmup, plateau, train.patience, train.cooldown, cooldown_start=max(start, warmup), end=ceiling
    )
