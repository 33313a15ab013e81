"""The measurements of `radsweep evaluate` as a table."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from radsweep.report import wording


def evaluation_table(found: dict[str, Any]) -> Table:
    """The same for the terminal: each number beside its chance level and the size of the pool."""
    title = f"{found['data']}, {found['split']} split, {found['candidates']:,} candidates"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("metric")
    for column in ("value", "chance"):
        table.add_column(column, justify="right")
    for name, numbers in found["metrics"].items():
        shown = (wording.number(name, numbers[what]) for what in ("value", "chance"))
        table.add_row(wording.metric_name(name), *shown)
    return table
