"""Single flight: when several worker groups need the same record, one computes it and the others wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

from radsweep.store.locks import Lock
from radsweep.training.context import RunContext
from radsweep.training.loop import Paused
from radsweep.training.task import CONTINUE, PAUSE

ASK_AGAIN = 1.0  # seconds between checks while another group computes it


class Turn(IntEnum):
    THERE = 0  # the record exists
    OURS = 1  # this group computes it and has the lock
    STOP = 2  # the order to stop came first
    WAIT = 3
    PAUSE = 4


@contextmanager
def turn(folder: Path, context: RunContext, there: Callable[[], bool]) -> Iterator[Turn]:
    """Yield THERE, OURS or STOP, the same for all workers of the group. Only one group at a time has OURS of a folder.

    Args:
        there: returns whether the record exists. Worker 0 calls it and `context.should_continue` every second while
            another group computes the record.

    Raises:
        Paused: the order to pause came first.
    """
    workers = context.workers
    with Lock(folder) as lock:
        while (found := Turn(workers.first(_look(lock, context, there) if workers.rank == 0 else 0))) == Turn.WAIT:
            time.sleep(ASK_AGAIN)
        if found == Turn.PAUSE:
            raise Paused
        yield found


def _look(lock: Lock, context: RunContext, there: Callable[[], bool]) -> Turn:
    if (order := context.should_continue()) != CONTINUE:
        return Turn.PAUSE if order == PAUSE else Turn.STOP
    held = lock.take()  # before looking for the record, which the previous holder may just have written
    if there():
        return Turn.THERE
    return Turn.OURS if held else Turn.WAIT
