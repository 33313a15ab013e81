"""Cost of a run of an arm beside one of the baseline, with the adaptation of its towers counted in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radsweep.report import wording
from radsweep.report.analysis.results import Group, Result, Results


@dataclass(frozen=True)
class Compute:
    """Cost of one run, on average over replicates."""

    steps: float  # optimiser steps, those of adaptation included
    seconds: float  # of its slot, and of adaptation, which each sharer of a stage counts in full
    complete: bool  # True if every stage's record was there
    hours: float  # of one device: the seconds of all workers together
    device: str  # `GPU` or `CPU`


@dataclass(frozen=True)
class Gain:
    """Difference of a comparison beside the time that one run took."""

    per_hour: float  # difference from the baseline / hours, in units of the metric
    device: str  # of the hours: `GPU` or `CPU`


@dataclass(frozen=True)
class Relative:
    """Times the baseline's, at the same size."""

    steps: float
    seconds: float
    complete: bool

    @property
    def shown(self) -> str:
        """`1.4 ×`, of time."""
        return f"{self._least}{wording.times(self.seconds)} ×"

    @property
    def sentence(self) -> str:
        time = f"{self._least}{wording.times(self.seconds)} × the baseline's time"
        return f"Compute: {time} and {wording.times(self.steps)} × its optimiser steps, adaptation included."

    @property
    def _least(self) -> str:
        return "" if self.complete else "at least "


def compute(results: Results, groups: Sequence[Group]) -> Compute | None:
    """Compute the cost; None if nothing was measured or timed."""
    parts = [_one(results, r) for group in groups for r in group.measured(results.metric)]
    if not parts or not sum(part.seconds for part in parts):
        return None
    n = len(parts)
    return Compute(
        sum(part.steps for part in parts) / n,
        sum(part.seconds for part in parts) / n,
        all(part.complete for part in parts),
        sum(part.hours for part in parts) / n,
        parts[0].device,
    )


def gain(results: Results, group: Group, difference: float) -> Gain | None:
    """Return the gain for an hour; None if nothing was timed, or an adaptation stage's record is missing."""
    found = compute(results, [group])
    return Gain(difference / found.hours, found.device) if found and found.complete and found.hours else None


def relative(results: Results, arm: str, sizes: Sequence[int | None]) -> Relative | None:
    """Over the sizes that both have."""
    pairs = [(results.group(arm, size), results.group(results.sweep.baseline, size)) for size in sizes]
    both = [
        (ours, theirs)
        for ours, theirs in pairs
        if ours and theirs and ours.measured(results.metric) and theirs.measured(results.metric)
    ]
    ours = compute(results, [group for group, _ in both])
    theirs = compute(results, [group for _, group in both])
    if ours is None or theirs is None or not theirs.steps:
        return None
    return Relative(ours.steps / theirs.steps, ours.seconds / theirs.seconds, ours.complete)


def _one(results: Results, result: Result) -> Compute:
    assert result.record is not None
    record = result.record
    stages = [results.stages.get(key) for key in record.stages.values()]
    found = [stage for stage in stages if stage is not None]
    adaptation = sum(seconds(stage.seconds) for stage in found)
    device_seconds = sum(seconds(each.seconds) * each.workers for each in (record, *found))
    return Compute(
        steps=record.steps + sum(stage.steps for stage in found),
        seconds=seconds(record.seconds) + adaptation,
        complete=len(found) == len(stages),
        hours=device_seconds / 3600,
        device="CPU" if record.device == "cpu" else "GPU",
    )


def seconds(parts: dict[str, float]) -> float:
    return parts["total"] if "total" in parts else sum(parts.values())
