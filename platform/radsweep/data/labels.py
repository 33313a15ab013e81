"""Label columns of a table to classes: 1, 0, or None where uncertain or missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from radsweep.data.tables import Row, Table
from radsweep.errors import InputError

Labels = Mapping[str, float | None]
_FLAGS: dict[str, float | None] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "positive", "present"), 1.0),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "negative", "absent"), 0.0),
    **dict.fromkeys(("-1", "-1.0", "uncertain", "u", "", "nan"), None),
}
_MAX_CLASSES, _MAX_LENGTH = 100, 60
_BETWEEN = re.compile(r"[|,;]")


def flag(text: str) -> float | None:
    """1, 0, or None (uncertain or missing) of a cell. Raises ValueError where it is no flag."""
    if text.casefold() not in _FLAGS:
        raise ValueError("no flag")
    return _FLAGS[text.casefold()]


def label_reader(table: Table, columns: Sequence[str], missing: Sequence[str] = ()) -> Callable[[Row], Labels]:
    """A function from a row to its labels.

    A column of flags (1, 0, -1 or yes, no, uncertain; empty is missing) is one class under its own name. A column
    of names (`COVID-19`, `Effusion|Nodule`) is one class per name: 1 where named, 0 where others are, None where
    nothing is. Raises InputError where a column's values are too many or too long to be class names.
    """
    unknown = {text.casefold() for text in missing} | {""}
    named = {column: _names(table, column, unknown) for column in columns}

    def read(row: Row) -> Labels:
        labels: dict[str, float | None] = {}
        for column, names in named.items():
            value = row[column]
            empty = value.casefold() in unknown
            if not names:
                labels[column] = None if empty else flag(value)
                continue
            here = set(_split(value))
            labels |= {name: None if empty else float(name in here) for name in names}
        return labels

    return read


def merge_labels(rows: Sequence[Labels]) -> dict[str, float | None]:
    """Labels of a study from those of its rows: 1 where any row says 1, else 0 where any says 0, else None."""
    merged: dict[str, float | None] = {}
    for labels in rows:
        for name, value in labels.items():
            known = [number for number in (merged.get(name), value) if number is not None]
            merged[name] = max(known, default=None)
    return merged


def _names(table: Table, column: str, unknown: set[str]) -> list[str]:
    """Class names that a column's values hold; empty for a column of flags."""
    values = {row[column] for row in table.rows if row[column].casefold() not in unknown}
    if all(value.casefold() in _FLAGS for value in values):
        return []
    names = sorted({name for value in values for name in _split(value)})
    if len(names) > _MAX_CLASSES or max(map(len, names)) > _MAX_LENGTH:
        raise InputError(
            f"{table.path}: labels: column {column} has {len(names)} different values, the longest of "
            f"{max(map(len, names))} characters: expected flags (1, 0, -1), or at most {_MAX_CLASSES} class names of "
            f"at most {_MAX_LENGTH}"
        )
    return names


def _split(value: str) -> list[str]:
    return [name.strip() for name in _BETWEEN.split(value) if name.strip()]
