"""Label columns of a table, read as classes: 1, 0, uncertain, or None if missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from radsweep.data.importers.toolkit.tables import Row, SourceTable
from radsweep.data.packing.labels import UNCERTAIN, Labels
from radsweep.errors import InputError

_FLAGS: dict[str, float | None] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "positive", "present"), 1.0),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "negative", "absent"), 0.0),
    **dict.fromkeys(("-1", "-1.0", "uncertain", "u"), UNCERTAIN),
    **dict.fromkeys(("", "nan"), None),
}
_MAX_CLASSES, _MAX_LENGTH = 100, 60
_BETWEEN = re.compile(r"[|,;]")


def flag(text: str) -> float | None:
    """Return 1, 0, UNCERTAIN, or None (missing) for a cell. Raises ValueError if it is not a flag."""
    if text.casefold() not in _FLAGS:
        raise ValueError("not a flag")
    return _FLAGS[text.casefold()]


def flag_columns(table: SourceTable, columns: Sequence[str]) -> list[str]:
    """Return columns that only have flags (1, 0, -1 or yes, no, uncertain, nothing); each is a class by its name."""
    return [column for column in columns if all(row[column].casefold() in _FLAGS for row in table.rows)]


def label_reader(table: SourceTable, columns: Sequence[str], missing: Sequence[str] = ()) -> Callable[[Row], Labels]:
    """Return a function from a row to its labels, for columns of class names (`COVID-19`, `Effusion|Nodule`).

    Each name is a class: 1 if a row names it, 0 if the row only names others, None if it names nothing.

    Raises:
        InputError: a column's values are too many or too long to be class names.
    """
    unknown = {text.casefold() for text in missing} | {""}
    named = {column: _names(table, column, unknown) for column in columns}

    def read(row: Row) -> Labels:
        labels: dict[str, float | None] = {}
        for column, names in named.items():
            value = row[column]
            empty = value.casefold() in unknown
            here = set(_split(value))
            labels |= {name: None if empty else float(name in here) for name in names}
        return labels

    return read


def _names(table: SourceTable, column: str, unknown: set[str]) -> list[str]:
    """Return the class names in a column's values."""
    values = {row[column] for row in table.rows if row[column].casefold() not in unknown}
    names = sorted({name for value in values for name in _split(value)})
    longest = max(map(len, names), default=0)
    if len(names) > _MAX_CLASSES or longest > _MAX_LENGTH:
        raise InputError(
            f"{table.path}: labels: column {column} has {len(names)} different values, the longest of "
            f"{longest} characters; expected flags (1, 0, -1), or at most {_MAX_CLASSES} class names of "
            f"at most {_MAX_LENGTH}"
        )
    return names


def _split(value: str) -> list[str]:
    return [name.strip() for name in _BETWEEN.split(value) if name.strip()]
