"""Whether a run is to pause, asked between its steps: a validation may be an hour away."""

from __future__ import annotations

import time
from collections.abc import Callable

from radsweep.training.collectives import Workers
from radsweep.training.task import GO_ON, PAUSE

ASK_EVERY = 2.0  # seconds


class Asking:
    """Worker 0 asks, every few seconds; all workers hear the answer after the same step."""

    def __init__(self, workers: Workers, goes_on: Callable[[], int]) -> None:
        self.workers, self.goes_on = workers, goes_on
        self.every = self.left = 1  # steps until the next question
        self.asked = time.perf_counter()

    def told_to_pause(self) -> bool:
        """Called after every step by every worker."""
        self.left -= 1
        if self.left > 0:
            return False
        order = self.workers.first(int(self.goes_on()) if self.workers.rank == 0 else GO_ON)
        step = (time.perf_counter() - self.asked) / self.every
        wanted = int(min(2 * self.every, ASK_EVERY / max(step, 1e-6)))  # the first steps say little of the next
        self.every = self.left = self.workers.first(max(1, wanted))
        self.asked = time.perf_counter()
        return order == PAUSE
