"""Label columns of a table to classes: 1, 0, uncertain, or None where missing; of a study, 1, 0 or None."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from radsweep.data.tables import Row, Table
from radsweep.errors import InputError

Labels = Mapping[str, float | None]
UNCERTAIN = -1.0  # of a row; what is left of it in a study is None, as a missing one is
_FLAGS: dict[str, float | None] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "positive", "present"), 1.0),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "negative", "absent"), 0.0),
    **dict.fromkeys(("-1", "-1.0", "uncertain", "u"), UNCERTAIN),
    **dict.fromkeys(("", "nan"), None),
}
_WEAKEST_FIRST = (None, 0.0, UNCERTAIN, 1.0)
_MAX_CLASSES, _MAX_LENGTH = 100, 60
_BETWEEN = re.compile(r"[|,;]")


def flag(text: str) -> float | None:
    """1, 0, UNCERTAIN, or None (missing) of a cell. Raises ValueError where it is no flag."""
    if text.casefold() not in _FLAGS:
        raise ValueError("no flag")
    return _FLAGS[text.casefold()]


def flag_columns(table: Table, columns: Sequence[str]) -> list[str]:
    """Those that hold flags alone (1, 0, -1 or yes, no, uncertain, nothing): one class each, under its own name."""
    return [column for column in columns if all(row[column].casefold() in _FLAGS for row in table.rows)]


def label_reader(table: Table, columns: Sequence[str], missing: Sequence[str] = ()) -> Callable[[Row], Labels]:
    """A function from a row to its labels, of columns of names (`COVID-19`, `Effusion|Nodule`).

    Each name is a class: 1 where named, 0 where others are, None where nothing is. Raises InputError where a column's
    values are too many or too long to be class names.
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


def merge_labels(rows: Sequence[Labels]) -> dict[str, float | None]:
    """Labels of a study from those of its rows: 1 where any row says 1, None where any is uncertain, else 0 where any
    says 0, else None."""
    merged: dict[str, float | None] = {}
    for labels in rows:
        for name, value in labels.items():
            merged[name] = max(merged.get(name), value, key=_WEAKEST_FIRST.index)
    return {name: None if value == UNCERTAIN else value for name, value in merged.items()}


def _names(table: Table, column: str, unknown: set[str]) -> list[str]:
    """Class names that a column's values hold."""
    values = {row[column] for row in table.rows if row[column].casefold() not in unknown}
    names = sorted({name for value in values for name in _split(value)})
    longest = max(map(len, names), default=0)
    if len(names) > _MAX_CLASSES or longest > _MAX_LENGTH:
        raise InputError(
            f"{table.path}: labels: column {column} has {len(names)} different values, the longest of "
            f"{longest} characters: expected flags (1, 0, -1), or at most {_MAX_CLASSES} class names of "
            f"at most {_MAX_LENGTH}"
        )
    return names


def _split(value: str) -> list[str]:
    return [name.strip() for name in _BETWEEN.split(value) if name.strip()]
