"""A table of the report and the text of its most common cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radsweep.report import wording
from radsweep.report.analysis.results import Result
from radsweep.store.fold_pooling import fold_keys


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def short_key(key: str) -> str:
    """Short key of a cell; a pooled cell has the key of each fold."""
    return " ".join(part[:12] for part in fold_keys(key))


def cell_numbers(results: Sequence[Result]) -> str:
    """`0, 3, 6`: the cells that a number comes from, as numbered in the table of cells."""
    return wording.numbers_listed(sorted(r.planned.number for r in results))


def size_cell(size: int | None) -> str:
    return "all" if size is None else f"{size:,}"
