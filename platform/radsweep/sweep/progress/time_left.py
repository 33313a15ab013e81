"""Estimate the time that the remaining trials will take on their slots, from those that ended."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from radsweep.cluster.trial_capacity import Capacity
from radsweep.store.records import ArmSize, CellRecord, PlannedCell

ANY = ("", None)  # trials that a search has not suggested yet


class TimeLeft:
    """Time left. Trials of an arm and size take equally long, other sizes in proportion to their work."""

    def __init__(self, capacity_of: Callable[[PlannedCell], Capacity], work_of: Callable[[PlannedCell], float]) -> None:
        """`work_of`: quantity that a trial's duration is proportional to, in any unit."""
        self.capacity_of, self.work_of = capacity_of, work_of
        self.left: Counter[ArmSize] = Counter()  # trials
        self.example: dict[ArmSize, PlannedCell] = {ANY: PlannedCell(key="")}
        self.work: dict[ArmSize, float] = {ANY: 1.0}
        self.ran: Counter[ArmSize] = Counter()  # trials with a known duration
        self.took: defaultdict[ArmSize, float] = defaultdict(float)  # seconds, all of them together
        self.running: dict[str, tuple[ArmSize, float]] = {}  # by key: since when

    def expect(self, cells: Iterable[PlannedCell], more: int = 0) -> None:
        """Set the remaining cells, each once, and `more`, the number that a search has not suggested yet."""
        self.left = Counter({ANY: more})
        for cell in cells:
            place = cell.arm, cell.pairs
            self.left[place] += 1
            if place not in self.work:
                self.example[place], self.work[place] = cell, self.work_of(cell)

    def started(self, cell: PlannedCell) -> None:
        if not cell.stage:
            self.running[cell.key] = self._place(cell), time.monotonic()

    def gone(self, key: str) -> None:
        """Note that a trial does not run in a slot any more."""
        self.running.pop(key, None)

    def ended(self, cell: PlannedCell, record: CellRecord) -> None:
        """Note that a trial ended, in this sweep or an earlier one."""
        place = self._place(cell)
        self.left[place] -= self.left[place] > 0
        if record.status != "failed" and record.seconds.get("total"):  # a failure ends early
            self.ran[place] += 1
            self.took[place] += record.seconds["total"]

    def seconds(self) -> float | None:
        """Return the seconds left; None if no trial has ended yet, or none is left."""
        if not self.ran or not any(self.left.values()):
            return None
        now, by_capacity = (
            time.monotonic(),
            defaultdict[Capacity, list[tuple[float, int]]](list),
        )  # seconds of a trial, trials
        each = {place: self._seconds_of(place) for place, number in self.left.items() if number}
        waiting = self.left.copy()
        for place, since in self.running.values():
            if waiting[place] > 0:
                waiting[place] -= 1
                by_capacity[self.capacity_of(self.example[place])].append((max(0.0, each[place] - (now - since)), 1))
        for place, number in waiting.items():
            if number:
                by_capacity[self.capacity_of(self.example[place])].append((each[place], number))
        return sum(_wall(trials, capacity.slots) for capacity, trials in by_capacity.items())

    def _place(self, cell: PlannedCell) -> ArmSize:
        place = cell.arm, cell.pairs
        return place if place in self.work else ANY

    def _seconds_of(self, place: ArmSize) -> float:
        """Return the seconds of one trial: the mean of its arm and size, else the pace of its arm, else of all arms."""
        of_arm = [other for other in self.ran if other[0] == place[0]]
        known = [place] if place in self.ran else of_arm or list(self.ran)
        done = sum(self.work[other] * self.ran[other] for other in known)
        return sum(self.took[other] for other in known) / done * self.work[place]


def _wall(trials: list[tuple[float, int]], slots: int) -> float:
    """Return the wall time of trials that share slots; it is at least that of the longest trial."""
    whole = sum(seconds * number for seconds, number in trials)
    return max(whole / slots, max(seconds for seconds, _ in trials))
