"""Estimate how long a planned sweep will take: trials, shared stages, and the budget of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.cluster.trial_capacity import Capacity
from radsweep.config.search import Search
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.store.records import CellRecord
from radsweep.store.store import RECORD, Store
from radsweep.sweep.forecast.durations import Estimate, Expected, Paces, in_turn, total
from radsweep.sweep.preparation.dataset import training_pairs

if TYPE_CHECKING:
    from radsweep.sweep.forecast.calibration import Calibration

MOST_RECORDS = 500  # number of the latest records that are read for an estimate
Say = Callable[[str], None]
OfArm = tuple[str, Trial]


@dataclass
class Forecast:
    """Estimate the time of trials on this machine from the store's records or, without any, from a calibration."""

    store: Store
    shards: ShardIndex | None
    capacity: Capacity
    capacities: dict[str, Capacity]  # of arms
    calibrate: bool
    notes: list[str]
    say: Say
    _calibrated: dict[str, Expected | None] = field(default_factory=dict)
    _calibrator: Calibration | None = None

    def of(
        self, phases: Sequence[Sequence[OfArm]], stages: Sequence[tuple[str, Expected]]
    ) -> tuple[Estimate | None, str]:
        """Estimate phases of trials that run one after another. Returns None and the reason if that is not possible.

        Args:
            stages: stages that are computed before the first trials, each with the arm of a trial that needs it.
        """
        paces = Paces(latest(self.store.root / "cells"), self.capacity.device)
        unknown: list[str] = []
        parts: list[Estimate] = []
        for phase in phases:
            expected: dict[Capacity, list[Expected]] = {}
            for arm, stage in stages if phase is phases[0] else ():
                expected.setdefault(self._capacity_of(arm), []).append(stage)
            for arm, trial in phase:
                if (found := self._expected(paces, arm, trial)) is None:
                    unknown.append(arm or "its trials")
                else:
                    expected.setdefault(self._capacity_of(arm), []).append(found)
            parts += [
                total(some, capacity.slots, per_slot(capacity), unit(capacity)) for capacity, some in expected.items()
            ]
        if unknown:
            which = ", ".join(list(dict.fromkeys(unknown))[:5])
            how = self._how([trial for phase in phases for _, trial in phase])
            return None, f"the store has no comparable trial of {which}. {how}"
        return in_turn(parts or [total([], self.capacity.slots, per_slot(self.capacity), unit(self.capacity))]), ""

    def _capacity_of(self, arm: str) -> Capacity:
        return self.capacities.get(arm, self.capacity)

    def _expected(self, paces: Paces, arm: str, trial: Trial) -> Expected | None:
        shards = None if trial.data.folds else self.shards
        available = len(shards.splits["train"]) if shards else training_pairs(trial.data.shards, trial.data.folds)
        if (trial.data.pairs or 0) > available:  # the sweep would be refused
            return None
        found = paces.expected(trial, available)
        if found is None and self.calibrate and shards is not None:
            found = self._calibration(trial, available, arm, shards)
        return found

    def _how(self, trials: Sequence[Trial]) -> str:
        if self.shards is None:
            return "Create the data set (`radsweep phantom`, or one `radsweep train`), then add --calibrate"
        if any(trial.data.folds for trial in trials):
            return "Folds cannot be calibrated; run one trial with `radsweep train`"
        return "See the notes" if self.calibrate else "Add --calibrate to time some steps of each arm here"

    def _calibration(self, trial: Trial, available: int, arm: str, shards: ShardIndex) -> Expected | None:
        from radsweep.data.loading.subsets import subset_size
        from radsweep.sweep.forecast.calibration import MOST_STUDIES, Calibration
        from radsweep.training.loop import TrialFailed

        pairs = subset_size(available, trial.data.pairs, trial.data.fraction)
        name = f"{arm}/{pairs}" if arm else trial.model_dump_json()
        studies = sum(map(len, shards.splits.values()))
        if studies > MOST_STUDIES:
            told = (
                f"--calibrate decodes all studies, but at most {MOST_STUDIES:,}, and there are {studies:,}; run one "
                "trial with `radsweep train`"
            )
            if told not in self.notes:
                self.notes.append(told)
            return None
        if name not in self._calibrated:
            self._calibrator = self._calibrator or Calibration(shards, self.capacity.device, self.say)
            try:
                what = f"{arm or 'the base trial'}, {pairs:,} pairs"
                self._calibrated[name] = self._calibrator.seconds(trial, pairs, what)
            except TrialFailed as error:
                self.notes.append(f"{arm or 'The base trial'} cannot be trained: {error}")
                self._calibrated[name] = None
        return self._calibrated[name]


def budget(search: Search, capacity: Capacity) -> tuple[Estimate, str] | None:
    """Longest time that a search may start trials, and the budget that is spent first; None without limits in hours."""
    slot_hours = {
        "hours": (search.hours or 0) * capacity.slots,
        "slot_hours": search.slot_hours or 0,
        "gpu_hours": (search.gpu_hours or 0) / (capacity.gpus * capacity.workers or 1),
    }
    given = {name: hours for name, hours in slot_hours.items() if hours}
    if not given:
        return None
    first = min(given, key=lambda name: given[name])
    hours = given[first]
    return Estimate(
        hours * 3600 / capacity.slots, hours * per_slot(capacity), unit(capacity), True, {}
    ), f"search.{first}"


def per_slot(capacity: Capacity) -> float:
    """GPUs that a slot reserves, or CPUs if trials use no GPU."""
    return capacity.workers * (capacity.gpus or capacity.cpus)


def unit(capacity: Capacity) -> str:
    return "GPU hours" if capacity.gpus else "CPU hours"


def latest(folder: Path) -> Iterator[CellRecord]:
    """Yield the records of the store's trials or stages, the latest first."""
    files = sorted(folder.glob(f"*/{RECORD}"), key=lambda file: -file.stat().st_mtime)
    store = Store(folder.parent)
    read = store.read_stage if folder.name == "stages" else store.read_cell
    for file in files[:MOST_RECORDS]:
        if (record := read(file.parent.name)) is not None:
            yield record
