"""Budget of a search: trials, hours, slot hours or GPU hours; and what was spent, over all its drivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from radsweep.config.search import Search

HOUR = 3600.0


class Budget:
    """Clock of a search. Slots count while trials hold them; a GPU counts as the share of it that is reserved."""

    def __init__(
        self, search: Search, gpus: float, before: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            gpus: GPUs of a slot.
            before: `state` of the driver that is resumed; empty in the first.
        """
        self.search, self.gpus, self.clock = search, gpus, clock
        self.began = clock()
        self.wall, self.held = float(before.get("wall_s", 0)), float(before.get("slot_s", 0))
        self.running: dict[str, float] = {}  # trial -> when it got its slot

    def start(self, trial: str) -> None:
        self.running[trial] = self.clock()

    def end(self, trial: str) -> None:
        if trial in self.running:
            self.held += self.clock() - self.running.pop(trial)

    @property
    def state(self) -> dict[str, float]:
        """Seconds spent so far, to be saved."""
        now = self.clock()
        held = self.held + sum(now - began for began in self.running.values())
        return {"wall_s": self.wall + now - self.began, "slot_s": held}

    def hours_spent(self, trials: int) -> str:
        """Name the budget of time that is spent, in words; empty while a trial may start.

        Args:
            trials: number of trials so far.
        """
        seconds = self.state
        used = {
            "hours": seconds["wall_s"] / HOUR,
            "slot_hours": seconds["slot_s"] / HOUR,
            "gpu_hours": seconds["slot_s"] / HOUR * self.gpus,
        }
        for name, hours in used.items():
            limit = getattr(self.search, name)
            if limit is not None and hours >= limit:
                return f"search.{name}: {limit:g} were spent in {trials:,} trial{'s' * (trials != 1)}"
        return ""

    def trials_spent(self, trials: int) -> str:
        most = self.search.most_trials
        return f"search.trials: all {most:,} were used" if most is not None and trials >= most else ""
