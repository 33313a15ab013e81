"""Refuse a plateau that no trial could reach, before anything starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from radsweep.config.stages import fold_of_trial
from radsweep.config.training import Train
from radsweep.config.trial import Trial
from radsweep.data.loading.epochs import steps_of_epoch
from radsweep.data.loading.subsets import subset_size
from radsweep.errors import InputError
from radsweep.evaluation.further_gain import FEWEST, WINDOW
from radsweep.sweep.preparation.dataset import training_pairs
from radsweep.training.schedule import Schedule, between_validations, schedule_for
from radsweep.training.trail import FEWEST_FREEDOM, stretch_number

MOST_LOOKS = 2_000  # validations of a run that are tried to find a ceiling


def check_plateaus(trials: Iterable[Trial], count: Callable[[Trial], int] | None = None) -> None:
    """Refuse `until: plateau` if too few validations fit between warm-up and the last cool-down.

    Args:
        count: returns the number of training studies; by default `training_pairs`.

    Raises:
        InputError: the error has the numbers, and how many steps it takes.
    """
    count = count or (lambda trial: training_pairs(trial.data.shards, trial.data.folds))
    available: dict[object, int] = {}
    seen = set()
    for trial in trials:
        if trial.train.until != "plateau":
            continue
        place = trial.data.shards, fold_of_trial(trial)
        if place not in available:
            available[place] = count(trial)
        pairs = subset_size(available[place], trial.data.pairs, trial.data.fraction)
        if (case := (pairs, trial.train, trial.evaluate.every_steps)) not in seen:
            seen.add(case)
            _check(trial, pairs)


def _check(trial: Trial, pairs: int) -> None:
    train = trial.train
    epoch = steps_of_epoch(pairs, train.batch_size)
    between = between_validations(epoch, trial.evaluate.every_steps)
    schedule = schedule_for(train, epoch)
    if _suffice(schedule, between):
        return
    found = len(_validations(schedule, between))
    key = "train.max_epochs" if schedule.ceiling != train.max_steps else "train.max_steps"
    enough, remedy = max(train.patience, found + 1), "Lower train.warmup"
    if (least := _least(train, epoch, between)) is not None:
        enough = len(_validations(least, between))
        epochs = f" ({math.ceil(least.ceiling / epoch):,} epochs)" if key == "train.max_epochs" else ""
        remedy = f"Allow {least.ceiling:,} steps{epochs}, lower evaluate.every_steps"
    raise InputError(
        f"{pairs:,} pairs cannot reach a plateau: of at most {schedule.ceiling:,} steps, {schedule.warmup:,} are "
        f"warm-up and the last {schedule.ceiling - schedule.cooldown_start:,} cool-down. That leaves {found} "
        f"validations at the constant rate, {between} steps apart; a plateau needs {enough}. "
        f"{remedy}, or set train.until to steps",
        key=key,
    )


def _least(train: Train, epoch: int, between: int) -> Schedule | None:
    """The schedule of the smallest ceiling that would do, to the next validation; None if none does."""
    for looks in range(1, MOST_LOOKS):
        train = train.model_copy(update={"max_steps": looks * between, "max_epochs": None})
        if _suffice(schedule := schedule_for(train, epoch), between):
            return schedule
    return None


def _validations(schedule: Schedule, between: int) -> list[int]:
    return [step for step in range(between, schedule.ceiling + 1, between) if schedule.at_constant_rate(step)]


def _suffice(schedule: Schedule, between: int) -> bool:
    """Return True if convergence is judged at one of the validations."""
    times = [schedule.time(step) for step in _validations(schedule, between)]
    numbers = [stretch_number(time) for time in times]
    for place in range(max(1, schedule.patience - 1), len(times)):
        recent = [
            number for number, time in zip(numbers[: place + 1], times, strict=False) if time >= times[place] / WINDOW
        ]
        stretches = len(set(recent))
        enough = stretches >= FEWEST and len(recent) - stretches >= FEWEST_FREEDOM
        if enough and numbers[place] > numbers[place - 1]:
            return True
    return False
