"""Results on standard output, progress on standard error."""

from __future__ import annotations

import sys

from rich.console import Console as Terminal
from rich.console import RenderableType

from radsweep.display import WIDTH


def show(result: RenderableType) -> None:
    """Print a table; outside a terminal, lines are wide and never cut."""
    width = None if sys.stdout.isatty() else WIDTH
    Terminal(width=width, highlight=False).print(result)
