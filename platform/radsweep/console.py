"""Messages and progress on standard error: bars on a terminal or in a notebook, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_EVERY = 15.0  # seconds between lines without a terminal


def duration(seconds: float) -> str:
    """Format a duration in words, to about two digits."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Console:
    """Print messages and progress of long tasks."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        self.terminal = terminal or Terminal(stderr=True, highlight=False, soft_wrap=True)

    @property
    def animated(self) -> bool:
        """True if bars can move: on a terminal, and in a notebook with ipywidgets, with which rich draws them."""
        return self.terminal.is_terminal or (self.terminal.is_jupyter and find_spec("ipywidgets") is not None)

    def say(self, message: str) -> None:
        self.terminal.print(message, markup=False)

    @contextmanager
    def task(self, name: str, total: int | None = None, timed: bool = True) -> Iterator[Callable[[int], None]]:
        """Show progress; call the yielded function with the number of items done so far.

        Args:
            timed: the bar shows the time left, which makes sense if all items take about equally long.
        """
        if not self.animated:
            yield self._lines(name, total)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, *([TimeRemainingColumn()] if timed else []), console=self.terminal, transient=True
        ) as progress:
            task: TaskID = progress.add_task(name, total=total)
            yield lambda done: progress.update(task, completed=done)

    @contextmanager
    def counting(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show progress like `task`; call the yielded function with the number of items done since the last call."""
        done = 0
        with self.task(name, total) as advance:

            def more(count: int) -> None:
                nonlocal done
                done += count
                advance(done)

            yield more

    @contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int], None]]:
        """Yield `progress(what, done, total)`, which shows a bar for each new `what` and closes the bar before it."""
        with ExitStack() as current:
            bars: dict[str, Callable[[int], None]] = {}

            def progress(what: str, done: int, total: int) -> None:
                if what not in bars:
                    current.close()
                    bars[what] = current.enter_context(self.task(what.capitalize(), total))
                bars[what](done)

            yield progress

    def _lines(self, name: str, total: int | None) -> Callable[[int], None]:
        self.say(name + (f" ({total:,})" if total else ""))
        start = last = time.monotonic()

        def advance(done: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= LINE_EVERY:
                last = now
                left = (
                    f" of {total:,}, {duration((now - start) / done * (total - done))} left" if total and done else ""
                )
                self.say(f"{name}: {done:,}{left}")

        return advance
