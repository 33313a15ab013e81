"""Mailbox between a slot and its workers: tasks go one way, validations and records the other."""

from __future__ import annotations

import asyncio
from typing import Any

from radsweep.training.task import CONTINUE, PAUSE, STOP

MOST_ATTEMPTS = 3


class Message(dict[str, Any]):
    """Message to a slot: {"validation": ...}, {"record": ...}, {"lost": reason}, {"full": what} or {"paused": True}."""


class Mailbox:
    """Actor with one numbered task at a time, kept until its record arrives, so that restarted workers find it."""

    def __init__(self, wait_for_reply: bool) -> None:
        self.wait_for_reply = wait_for_reply  # a scheduler decides after each validation
        self.number = -1
        self.task: Any = None
        self.over = False
        self.pausing = False
        self.attempts = 0
        self.why = ""  # reason why the last attempt ended
        self.read = 0  # messages that the slot has taken
        self.messages: list[Message] = []
        self.handed: dict[str, list[tuple[int, Any]]] = {}  # by worker group, one after another
        self.changed = asyncio.Condition()

    async def post(self, number: int, task: Any) -> None:
        """From the slot: the next task. The previous one stops if it still runs."""
        async with self.changed:
            self.number, self.task, self.attempts = number, task, 0
            self.read, self.messages = 0, []
            self.changed.notify_all()

    async def close(self) -> None:
        """From the slot: there are no more tasks."""
        async with self.changed:
            self.over = True
            self.changed.notify_all()

    async def pause(self) -> None:
        """From the slot: the sweep is interrupted. The task saves its checkpoint, and there are no more tasks."""
        async with self.changed:
            self.over = self.pausing = True
            self.changed.notify_all()

    async def message(self, number: int) -> Message:
        """From the slot: wait for the next message about a task. The call itself allows the task to continue."""
        async with self.changed:
            wanted = self.read
            self.read += 1
            self.changed.notify_all()
            await self.changed.wait_for(lambda: len(self.messages) > wanted)
            return self.messages[wanted]

    async def next(self, finished: int, group: str) -> tuple[int, Any]:
        """From worker 0 of a group: a task other than the one it finished; (-1, None) when there are no more."""
        async with self.changed:
            while True:
                await self._until_after(finished)
                self.attempts += 1
                if self.over or self.attempts <= MOST_ATTEMPTS:
                    break
                why = f"; the last time: {self.why}" if self.why else ""
                self._deliver(Message(lost=f"its workers died {MOST_ATTEMPTS} times{why}"))
                finished = self.number
            self.why = ""
            handed = (-1, None) if self.over else (self.number, self.task)
            self.handed.setdefault(group, []).append(handed)
            self.changed.notify_all()
            return handed

    async def same(self, place: int, group: str) -> tuple[int, Any]:
        """From the other workers: the task that worker 0 of their group got at its place-th call."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.handed.get(group, [])) > place)
            return self.handed[group][place]

    async def validated(self, number: int, validation: dict[str, Any]) -> int:
        """From worker 0: a validation. Returns STOP, CONTINUE or PAUSE."""
        async with self.changed:
            if number != self.number or self.over:
                return self._order(number)
            self._deliver(Message(validation=validation))
            if self.wait_for_reply:
                sent = len(self.messages)
                await self.changed.wait_for(lambda: self.over or number != self.number or self.read > sent)
            return self._order(number)

    async def should_continue(self, number: int) -> int:
        """From worker 0: ask whether to continue. Returns STOP, CONTINUE or PAUSE."""
        return self._order(number)

    async def paused(self, number: int) -> None:
        """From worker 0: the task's checkpoint is written."""
        async with self.changed:
            if number == self.number:
                self._deliver(Message(paused=True))

    async def full(self, number: int, what: str) -> None:
        """From worker 0: the disk is full."""
        async with self.changed:
            self.over = self.pausing = True
            if number == self.number:
                self._deliver(Message(full=what))

    async def broke(self, number: int, why: str) -> None:
        """From a worker: why its group has to restart. Only the first reason is kept, since others follow from it."""
        async with self.changed:
            if number == self.number:
                self.why = self.why or why

    async def finished(self, number: int, record: str) -> None:
        """From worker 0: the task's record."""
        async with self.changed:
            if number == self.number:
                self._deliver(Message(record=record))

    def _order(self, number: int) -> int:
        if number != self.number:
            return STOP
        if self.pausing:
            return PAUSE
        return STOP if self.over else CONTINUE

    async def _until_after(self, number: int) -> None:
        await self.changed.wait_for(lambda: self.over or self.number > number)

    def _deliver(self, message: Message) -> None:
        self.messages.append(message)
        self.changed.notify_all()
