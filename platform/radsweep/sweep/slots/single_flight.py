"""Whose turn it is: of groups of workers that need the same record, one makes it and the others wait for it."""

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

ASK_AGAIN = 1.0  # seconds, while another group is at it


class Turn(IntEnum):
    THERE = 0  # the record
    OURS = 1  # to make, while this is held
    STOP = 2  # told to, before either
    WAIT = 3
    PAUSE = 4


@contextmanager
def turn(folder: Path, context: RunContext, there: Callable[[], bool]) -> Iterator[Turn]:
    """THERE, OURS or STOP, the same for all workers of the group. No two groups have OURS of one folder at once.

    Args:
        there: whether the record is there. Worker 0 asks it, and `context.should_continue`, every second while another
            group is at it.

    Raises:
        Paused: told to.
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
    held = lock.take()  # before the record is looked for: whoever held it may have written it just now
    if there():
        return Turn.THERE
    return Turn.OURS if held else Turn.WAIT
