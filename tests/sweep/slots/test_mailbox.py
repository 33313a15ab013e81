"""Orders to workers after a validation: stop, continue, or save and pause."""

from __future__ import annotations

import asyncio
from typing import Any

from radsweep.sweep.slots.mailbox import MOST_ATTEMPTS, Mailbox
from radsweep.training import loop
from radsweep.training.task import CONTINUE, PAUSE, STOP


def test_the_orders_are_those_of_the_loop() -> None:
    assert (STOP, CONTINUE, PAUSE) == (loop.STOP, loop.CONTINUE, loop.PAUSE)
    assert (STOP, CONTINUE) == (False, True)  # as simpler callers pass it


def test_a_task_stops_when_the_next_is_posted_and_pauses_when_the_sweep_is_interrupted() -> None:
    async def orders() -> list[int]:
        box = Mailbox(wait_for_reply=False)
        await box.post(0, "first")
        assert await box.next(-1, "group") == (0, "first")
        told = [await box.validated(0, {"step": 1})]
        await box.post(1, "second")
        told.append(await box.validated(0, {"step": 2}))
        assert await box.next(0, "group") == (1, "second")
        await box.pause()
        told += [await box.validated(1, {"step": 1}), await box.should_continue(1)]
        await box.paused(1)
        assert await box.next(1, "group") == (-1, None)
        assert await box.message(1) == {"paused": True}
        return told

    assert asyncio.run(orders()) == [CONTINUE, STOP, PAUSE, PAUSE]


def test_a_pause_ends_the_wait_for_the_reply_of_a_scheduler() -> None:
    async def order() -> int:
        box = Mailbox(wait_for_reply=True)
        await box.post(0, "task")
        waiting = asyncio.create_task(box.validated(0, {"step": 1}))
        await asyncio.sleep(0)
        await box.pause()
        return await waiting

    assert asyncio.run(order()) == PAUSE


def test_a_full_disk_ends_the_group_and_a_task_whose_workers_die_is_lost() -> None:
    async def messages() -> list[Any]:
        full, lost = Mailbox(False), Mailbox(False)
        await full.post(0, "task")
        await full.full(0, "no space left for /store")
        assert await full.next(0, "group") == (-1, None)
        await lost.post(0, "task")
        for attempt in range(MOST_ATTEMPTS):
            await lost.next(-1, f"group {attempt}")
        fourth = asyncio.create_task(lost.next(-1, "group"))
        found = [await full.message(0), await lost.message(0)]
        fourth.cancel()
        return found

    full, lost = asyncio.run(messages())
    assert full == {"full": "no space left for /store"}
    assert lost == {"lost": f"its workers died {MOST_ATTEMPTS} times"}


def test_a_lost_task_names_the_first_error_of_its_last_group() -> None:
    async def message() -> Any:
        box = Mailbox(False)
        await box.post(0, "task")
        for attempt in range(MOST_ATTEMPTS):
            await box.next(-1, f"group {attempt}")
            await box.broke(0, f"full, attempt {attempt}")
            await box.broke(0, "connection closed by peer")
        asked = asyncio.create_task(box.next(-1, "group"))
        found = await box.message(0)
        asked.cancel()
        return found

    said = f"its workers died {MOST_ATTEMPTS} times; the last time: full, attempt {MOST_ATTEMPTS - 1}"
    assert asyncio.run(message()) == {"lost": said}
