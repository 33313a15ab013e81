"""Length and learning rate of training: a fixed length, or until the validation metric is flat.

`until: epochs | steps` warms up, then decays to 0 along a cosine. A plateau's length is not known beforehand: the
rate stays at its peak until the metric has stopped rising, then decays along a cosine for `cooldown` of the steps so
far. Every run so ends annealed, long or short, and lengths are comparable across sizes.

Convergence is only judged at the constant rate: a decaying rate makes every metric flat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from radsweep.config.training import Convergence, Train
from radsweep.evaluation.further_gain import judge
from radsweep.training.trail import Trail


@dataclass
class Schedule:
    """State of a run's length. Plain numbers, kept in the checkpoint."""

    ceiling: int  # steps that are never passed
    warmup: int
    until_plateau: bool
    patience: int  # validations at the constant rate, at least, before a plateau
    cooldown: float
    smallest_gain: float
    cooldown_start: int  # moved to the plateau, once it is found
    end: int
    best: float = -math.inf
    best_step: int = 0
    waited: int = 0  # validations at the constant rate
    convergence: Convergence = "cannot tell"

    def rate(self, step: int) -> float:
        """Factor on the learning rate for step 0, 1, ..."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if step < self.cooldown_start:
            return 1.0
        progress = (step - self.cooldown_start) / max(1, self.end - self.cooldown_start)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))

    def finished(self, step: int) -> bool:
        return step >= self.end

    def validated(self, score: float, step: int) -> bool:
        """Take note of a validation score (higher is better); True if none was better so far."""
        if score < self.best:
            return False
        self.best, self.best_step = score, step
        return True

    def at_constant_rate(self, step: int) -> bool:
        """True if a validation after so many steps is one of those that a plateau is looked for in."""
        return self.until_plateau and self.warmup < step <= self.cooldown_start

    def time(self, step: int) -> float:
        """Steps so far, counted at the full rate, before a cool-down."""
        return step - (self.warmup - 1) / 2 if self.warmup else float(step)

    def follow(self, trail: Trail, value_Q: np.ndarray, step: int, chance: float) -> Convergence:
        """Add each query's result to the trail, and judge it when a stretch is complete. The rate is not changed."""
        constant = self.at_constant_rate(step)
        self.waited += constant
        if trail.add(value_Q, self.time(step), constant) and self.waited >= self.patience:
            return judge(trail.found, step, self.smallest_gain, chance)
        return self.convergence

    def judged(self, convergence: Convergence, step: int) -> None:
        """Take note of the judgement that all workers share, and cool down from a plateau."""
        self.convergence = convergence
        if convergence == "converged" and step < self.cooldown_start:
            self.cooldown_start = step
            self.end = min(self.ceiling, step + math.ceil(self.cooldown * step))


def schedule_for(train: Train, steps_per_epoch: int) -> Schedule:
    """The schedule of a trial whose epochs have this many optimiser steps."""
    if train.until == "plateau":
        ceiling = _longest(train, steps_per_epoch)
    else:
        ceiling = train.steps if train.until == "steps" else train.epochs * steps_per_epoch
    warmup = math.ceil(train.warmup * ceiling) if train.warmup else 0
    plateau = train.until == "plateau"
    start = math.floor(ceiling / (1 + train.cooldown)) if plateau else warmup
    return Schedule(
        ceiling, warmup, plateau, train.patience, train.cooldown, train.smallest_gain, max(start, warmup), ceiling
    )


def _longest(train: Train, steps_per_epoch: int) -> int:
    """Steps that `until: plateau` never passes."""
    if train.max_epochs is None:
        return train.max_steps
    return min(train.max_steps, train.max_epochs * steps_per_epoch)


def between_validations(steps_per_epoch: int, every_steps: int) -> int:
    """Steps from one validation to the next: whole epochs, of `every_steps` at least."""
    return steps_per_epoch * math.ceil(every_steps / steps_per_epoch)
