"""Estimate how long trials and stages will take from records of earlier ones: equal ones, else similar ones."""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radsweep.config.keys import flat
from radsweep.config.stages import Stage
from radsweep.config.trial import Trial
from radsweep.data.loading.epochs import steps_of_epoch
from radsweep.data.loading.subsets import subset_size
from radsweep.store.records import CellRecord
from radsweep.training.schedule import schedule_for

# keys that affect the time of a step, without those below
COST = ("model.", "objective.", "augment.", "train.")
NO_COST = (
    *("train.seed", "train.learning_rate", "train.weight_decay", "train.warmup", "train.clip", "train.until"),
    *(f"train.learning_rates.{part}" for part in ("image", "text", "heads", "temperature")),
)
LENGTH = (
    *("train.epochs", "train.steps", "train.max_epochs", "train.max_steps"),
    *("train.patience", "train.smallest_gain", "train.cooldown"),
)
MUST_BE_EQUAL = (
    "model.image.backbone",
    "model.image.size",
    "model.text.backbone",
    "model.text.max_tokens",
    "model.pretrained",
    "train.batch_size",
    "train.workers",
    "train.threads",
)

# last parts of the keys in which stages with equal time per epoch or step may differ
NO_STAGE_COST = ("seed", "fold", "learning_rate", "weight_decay", "epochs", "steps")


@dataclass(frozen=True)
class Expected:
    """Expected duration of one trial. `ceiling`: it may end earlier, at a plateau."""

    seconds: float
    ceiling: bool
    source: str  # where the number comes from, for people


@dataclass(frozen=True)
class Estimate:
    wall_seconds: float
    compute_hours: float  # of GPUs if there are any, else of CPUs
    unit: str  # GPU hours or CPU hours
    at_most: bool
    sources: Mapping[str, int]  # where it comes from: number of trials


class Paces:
    """Durations of finished trials on one type of device."""

    def __init__(self, records: Iterable[CellRecord], device: str) -> None:
        self._exact: defaultdict[str, list[CellRecord]] = defaultdict(list)
        self._cost: dict[str, tuple[dict[str, Any], list[CellRecord]]] = {}
        for record in records:
            if record.status == "finished" and record.device == device and record.steps and "total" in record.seconds:
                values = flat(record.trial)
                self._exact[_name(_without_seeds(values) | {"pairs": record.pairs})].append(record)
                cost = _cost(values)
                self._cost.setdefault(_name(cost), (cost, []))[1].append(record)

    def expected(self, trial: Trial, available: int) -> Expected | None:
        """Estimate a trial that draws from `available` training studies; None if no record is similar.

        Raises:
            ValueError: the trial asks for more pairs than there are.
        """
        pairs = subset_size(available, trial.data.pairs, trial.data.fraction)
        values = flat(trial.model_dump(mode="json"))
        if same := self._exact.get(_name(_without_seeds(values) | {"pairs": pairs})):
            mean = sum(record.seconds["total"] for record in same) / len(same)
            return Expected(mean, False, "trials of the same settings and size with other seeds")
        cost = _cost(values)
        ceiling = trial.train.until == "plateau"
        steps = longest(trial, pairs)
        if found := self._cost.get(_name(cost)):
            return Expected(_pace(found[1]) * steps, ceiling, "trials of the same settings at another length or size")
        alike = [
            (sum(of.get(key) == value for key, value in cost.items()), name)
            for name, (of, _) in self._cost.items()
            if all(of.get(key) == cost.get(key) for key in MUST_BE_EQUAL)
        ]
        if not alike:
            return None
        of, records = self._cost[max(alike)[1]]
        differs = sorted(key for key in cost.keys() | of.keys() if cost.get(key) != of.get(key))
        which = ", ".join(differs[:3]) + (", ..." if len(differs) > 3 else "")
        return Expected(_pace(records) * steps, ceiling, f"the most similar trials, which differ in {which}")


def longest(trial: Trial, pairs: int) -> int:
    """Maximum number of optimiser steps of a trial on so many pairs."""
    return schedule_for(trial.train, steps_of_epoch(pairs, trial.train.batch_size)).ceiling


def work(trial: Trial, available: int) -> int:
    """Maximum number of studies seen in training, to which the duration of a trial is proportional."""
    return longest(trial, subset_size(available, trial.data.pairs, trial.data.fraction)) * trial.train.batch_size


def total(expected: Sequence[Expected], slots: int, per_slot: float, unit: str) -> Estimate:
    """Estimate the time of trials on slots, if each free slot takes the next trial.

    Args:
        per_slot: GPUs, or CPUs, that a slot reserves.
    """
    free = [0.0] * slots
    for trial in expected:
        heapq.heapreplace(free, free[0] + trial.seconds)
    sources = dict(Counter(trial.source for trial in expected))
    hours = sum(trial.seconds for trial in expected) * per_slot / 3600
    return Estimate(max(free), hours, unit, any(trial.ceiling for trial in expected), sources)


def in_turn(parts: Sequence[Estimate]) -> Estimate:
    """Add up the estimates of groups of trials that run one after another."""
    sources: Counter[str] = Counter()
    for part in parts:
        sources.update(part.sources)
    wall, hours = sum(part.wall_seconds for part in parts), sum(part.compute_hours for part in parts)
    return Estimate(wall, hours, parts[0].unit, any(part.at_most for part in parts), dict(sources))


def _pace(records: Sequence[CellRecord]) -> float:
    """Seconds per step, including validations, checkpoints and the test split."""
    return sum(record.seconds["total"] for record in records) / sum(record.steps for record in records)


def _cost(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k.startswith(COST) and k not in (*NO_COST, *LENGTH)}


def _without_seeds(values: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("data.", "train.seed")  # the size is added separately
    return {k: v for k, v in values.items() if not k.startswith(left_out)}


def _name(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


class StageTimes:
    """Durations of finished stages on one data set and type of device: seconds per epoch, per step, or in all."""

    def __init__(self, records: Iterable[CellRecord], device: str, data: str) -> None:
        self._seconds: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
        for record in records:
            if record.status == "finished" and (record.device, record.data) == (device, data):
                self._seconds[_kind(record.trial)].append(record.seconds.get("total", 0.0) / _length(record.trial))

    def expected(self, stage: Stage) -> Expected | None:
        """Estimate a stage; None without a similar earlier run."""
        spec = stage.model_dump(mode="json")
        if not (found := self._seconds.get(_kind(spec))):
            return None
        return Expected(sum(found) / len(found) * _length(spec), False, "earlier runs of such stages")


def _kind(spec: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(sorted((key, str(v)) for key, v in flat(spec).items() if key.rsplit(".", 1)[-1] not in NO_STAGE_COST))


def _length(spec: Mapping[str, Any]) -> int:
    """Number of epochs or steps; 1 for features."""
    train = spec.get("train")
    return 1 if train is None else int(train["epochs" if train["until"] == "epochs" else "steps"])
