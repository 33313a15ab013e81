"""Ctrl-C, SIGTERM (a preemption) and a full disk: running trials save a checkpoint, from which `--resume` continues."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ray.tune import Stopper

from radsweep.sweep.slots.ray_internals import let_actors_end

FLAG = "interrupted"
SAVE_WITHIN = 240.0  # seconds that slots get for it: an evaluation may be running, or a large model be written


class Interruption(Stopper):
    """Interruption by a signal or by `ask`. Ray Tune then ends every trial, and slots find the flag in their folder."""

    def __init__(self, scratch: Path) -> None:
        """`scratch`: folder that the sweep's slots share."""
        self.flag = scratch / FLAG
        self.reason = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        let_actors_end(SAVE_WITHIN)
        with suppress(OSError):
            self.flag.unlink(missing_ok=True)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: Tune pickles this for restoring, which we do not use."""
        return {}

    def ask(self, reason: str) -> None:
        """Ask every trial to save its checkpoint and end."""
        self.reason = self.reason or reason
        with suppress(OSError):  # on a full disk they run until their next message instead
            self.flag.parent.mkdir(parents=True, exist_ok=True)
            self.flag.touch()

    def stop_all(self) -> bool:
        return bool(self.reason)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self.reason:
            raise KeyboardInterrupt  # second signal: stop now, with the last checkpoints
        self.ask(signal.Signals(number).name)
