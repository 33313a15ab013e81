"""Label columns of a table, read as classes: 1, 0, uncertain, or None if missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from radsweep.data.importers.toolkit.cell_lists import is_list, items
from radsweep.data.importers.toolkit.tables import Row, SourceTable
from radsweep.data.packing.labels import UNCERTAIN, Labels
from radsweep.data.packing.missing import is_null, says_missing
from radsweep.errors import InputError

_FLAGS: dict[str, float] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "positive", "pos", "+", "present"), 1.0),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "negative", "neg", "absent"), 0.0),
    **dict.fromkeys(("-1", "-1.0", "uncertain", "u"), UNCERTAIN),
}
_MAX_CLASSES, _MAX_LENGTH = 100, 60
_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?\s*%?")
_EXPECTED = "expected flags (1, 0, -1, or nothing) or class names"


def flag(text: str) -> float | None:
    """Return 1, 0, UNCERTAIN, or None (missing) for a cell. Raises ValueError if it is not a flag."""
    value = _FLAGS.get(text.casefold())
    if value is None and not (is_null(text) or says_missing(text)):
        raise ValueError("not a flag")
    return value


def flag_columns(table: SourceTable, columns: Sequence[str]) -> list[str]:
    """Return the columns of flags (1, 0, -1 or yes, no, uncertain, or nothing); each is a class by its name.

    Raises:
        InputError: a column has flags and other values, or other numbers than flags. It names the first such row.
    """
    return [column for column in columns if _has_flags(table, column)]


def label_reader(table: SourceTable, columns: Sequence[str], others: Sequence[str] = ()) -> Callable[[Row], Labels]:
    """Return a function from a row to its labels, for columns of class names (`COVID-19`, `Effusion|Nodule`).

    Each name is a class: 1 if a row names it, 0 if the row only names others, None if it names nothing. A cell may be
    a list (`['Effusion', 'Nodule']`). Names that differ only in case are one class, in its most frequent spelling.

    Args:
        others: classes by another column.

    Raises:
        InputError: a column's values are too many, too long or numbers, or a class is in two columns.
    """
    spelled = {column: _names(table, column) for column in columns}
    _refuse_repeats(table, spelled, others)
    named = {column: sorted(set(names.values())) for column, names in spelled.items()}

    def read(row: Row) -> Labels:
        labels: dict[str, float | None] = {}
        for column, names in named.items():
            here = {spelled[column][item.casefold()] for item in items(row[column])}
            labels |= {name: float(name in here) if here else None for name in names}
        return labels

    return read


def _has_flags(table: SourceTable, column: str) -> bool:
    """Return True if a column has only flags and missing values, False if it has no flag."""
    flags, others, numbers = list[int](), list[int](), list[int]()
    for number, row in table.numbered():
        cell = row[column]
        if is_null(cell) or says_missing(cell):  # `unknown` may be among flags, or the name of a class
            continue
        (flags if cell.casefold() in _FLAGS else numbers if _NUMBER.fullmatch(cell) else others).append(number)
    where = f"{table.path}: --labels {column}"
    if numbers and not others:
        raise InputError(
            f"{where}: row {numbers[0]} has a number other than a flag; {_EXPECTED}. Write scores and probabilities as "
            "1 or 0 by a threshold of yours, and codes of classes as their names"
        )
    if flags and others:
        rows, is_one = (others, "another value than a flag") if len(others) <= len(flags) else (flags, "a flag")
        unlike = len(flags) + len(others) - len(rows)
        raise InputError(
            f"{where}: row {rows[0]} has {is_one} (1, 0, -1, yes, no, ...), unlike {unlike} other rows; {_EXPECTED}, "
            "the same in all rows. Correct it, or leave it empty"
        )
    if numbers:
        raise InputError(f"{where}: row {numbers[0]} has a number as the name of a class; write the names")
    return not others


def _names(table: SourceTable, column: str) -> dict[str, str]:
    """Return the class names in a column's values: casefolded to their most frequent spelling."""
    counts: Counter[str] = Counter()
    for number, row in table.numbered():
        try:
            found = items(row[column])
        except ValueError as error:
            raise InputError(f"{table.path}: --labels {column}: row {number}: {error}") from error
        if any(_NUMBER.fullmatch(name) for name in found):
            raise InputError(
                f"{table.path}: --labels {column}: row {number} has a number as the name of a class; write the names"
            )
        if any(is_list(name) or name.count("[") != name.count("]") for name in found):
            raise InputError(f"{table.path}: --labels {column}: row {number} has a list that is not closed")
        counts.update(found)
    longest = max(map(len, counts), default=0)
    if len(counts) > _MAX_CLASSES or longest > _MAX_LENGTH:
        raise InputError(
            f"{table.path}: labels: column {column} has {len(counts)} different values, the longest of "
            f"{longest} characters; expected flags (1, 0, -1), or at most {_MAX_CLASSES} class names of "
            f"at most {_MAX_LENGTH}"
        )
    spelled: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        spelled.setdefault(name.casefold(), name)
    return spelled


def _refuse_repeats(table: SourceTable, spelled: dict[str, dict[str, str]], others: Iterable[str]) -> None:
    """Refuse a class of two columns, since one would overwrite the other."""
    column_of = {name.casefold(): name for name in others}
    for column, names in spelled.items():
        for folded in names:
            if folded in column_of:
                raise InputError(
                    f"{table.path}: --labels: columns {column_of[folded]} and {column} have a class of the same name; "
                    "rename the classes of one of them, or join both columns to one with | between the names"
                )
            column_of[folded] = column
