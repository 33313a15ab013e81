"""Results on standard output, progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console as Terminal
from rich.console import RenderableType

from radsweep.console import Console

WIDTH = 160  # columns of a table that goes to a file or a pipe


def show(result: RenderableType) -> None:
    """Print a table; what is no terminal gets wide lines rather than cut ones."""
    width = None if sys.stdout.isatty() else WIDTH
    Terminal(width=width, highlight=False).print(result)


@contextmanager
def stages(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Within, `progress(what, done, total)` shows a bar for each new `what`, the one before being over."""
    with ExitStack() as current:
        bars: dict[str, Callable[[int], None]] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in bars:
                current.close()
                bars[what] = current.enter_context(console.task(what.capitalize(), total))
            bars[what](done)

        yield progress
