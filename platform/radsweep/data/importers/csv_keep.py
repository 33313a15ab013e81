"""`--keep` of `radsweep pack csv`: the rows that stay, and what may be said of a column's values."""

from __future__ import annotations

from collections import Counter, defaultdict

from radsweep.data.importers.csv_settings import CsvSettings
from radsweep.data.tables import Row, Table, columns_of
from radsweep.errors import InputError

_FEW_VALUES, _SHORT, _SEVERAL_ROWS = 20, 30, 5  # of a category; otherwise a value may be a patient's id or words


def kept_rows(table: Table, settings: CsvSettings) -> list[tuple[int, Row]]:
    """Numbers and rows that fulfil every condition. Raises InputError where there are none."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for column, value in _conditions(settings):
        wanted[column].add(value)
    kept = [
        (number, row)
        for number, row in enumerate(table.rows, 1)
        if all(row[column] in values for column, values in wanted.items())
    ]
    if not kept:
        raise InputError(f"{table.path}: no row has {' and '.join(settings.keep)}; {_choice(table, settings)}")
    return kept


def told_conditions(table: Table, settings: CsvSettings) -> list[str]:
    """For manifest and notes: `COLUMN=VALUE`, or `COLUMN` alone where the value may name or describe a patient."""
    return list(
        dict.fromkeys(
            f"{column}={value}" if value in _categories(table, column, settings) else column
            for column, value in _conditions(settings)
        )
    )


def _conditions(settings: CsvSettings) -> list[tuple[str, str]]:
    pairs = [condition.split("=", 1) for condition in settings.keep]
    return [(column, value.strip()) for column, value in pairs]


def _choice(table: Table, settings: CsvSettings) -> str:
    column = settings.keep[0].split("=", 1)[0]
    values = {row[column] for row in table.rows}
    categories = _categories(table, column, settings)
    if values - set(categories):
        return f"{column} has {len(values)} different values"
    return f"{column} has: {', '.join(value or 'nothing' for value in categories)}"


def _categories(table: Table, column: str, settings: CsvSettings) -> list[str]:
    """Values that may be told, most frequent first: short, of several rows, in a column of few that names nobody."""
    image = settings.image or ""
    of_patients = {settings.patient, settings.study, settings.report, image, *columns_of(image)}
    counts = Counter(row[column] for row in table.rows)
    if column in of_patients or len(counts) > _FEW_VALUES:
        return []
    return [value for value, count in counts.most_common() if count >= _SEVERAL_ROWS and len(value) <= _SHORT]
