"""Options of `radsweep pack csv`, and the rows that `--keep` selects."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

from pydantic import Field, field_validator

from radsweep.data.importers.toolkit.tables import Row, SourceTable, columns_of
from radsweep.data.importers.toolkit.text_files import EncodingErrors
from radsweep.data.importers.toolkit.views_and_labels import UncertainSettings
from radsweep.errors import InputError

_FEW_VALUES, _SHORT, _SEVERAL_ROWS = 20, 30, 5  # limits for a category; other values may be ids or words of patients


class CsvSettings(UncertainSettings):
    """Options of `radsweep pack csv`. Without `image`, only reports are packed; without `report`, only images."""

    table: Path = Field(
        Path("metadata.csv"),
        description="the table (CSV, TSV, Parquet or Excel, also compressed), in ROOT or elsewhere",
    )
    image: str | None = Field(None, description="column of file names, or a pattern: 'images/{patientid}.*'")
    report: str | None = Field(None, description="column with the text of the report")
    patient: str | None = Field(None, description="column of the patient; without it each study is a patient")
    patient_pattern: str | None = Field(
        None, description="regular expression whose first group in the patient column is the patient"
    )
    study: str | None = Field(None, description="column of the study; without it each row is a study")
    split: str | None = Field(None, description="column of the split; without it splits are made by seed")
    labels: tuple[str, ...] = Field((), description="columns of flags or of class names")
    view: str | None = Field(None, description="column of the view (PA, AP, lateral, ...)")
    keep: tuple[str, ...] = Field(
        (), description="COLUMN=VALUE: keep only matching rows; repeated values of one column are OR-ed"
    )
    encoding: str = Field("auto", description="text encoding of the table (default: detect)")
    encoding_errors: EncodingErrors = Field(
        "strict", description="with replace, bytes that do not belong to the encoding become U+FFFD and are counted"
    )
    delimiter: str = Field("", description="character between the columns, or tab (default: detect)")

    @field_validator("patient_pattern")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
            if not groups:
                raise ValueError("expected a group in parentheses that matches the patient, such as '^(.*?)[a-c]?$'")
        return pattern

    @field_validator("delimiter")
    @classmethod
    def _is_a_character(cls, delimiter: str) -> str:
        character = {"tab": "\t", "\\t": "\t"}.get(delimiter.lower(), delimiter)
        if len(character) > 1 or character in ("\n", "\r", '"', "\0"):
            raise ValueError("expected one character, such as ';', or tab")
        return character

    @field_validator("keep")
    @classmethod
    def _names_a_column(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        if not all("=" in condition for condition in keep):
            raise ValueError("expected COLUMN=VALUE")
        return keep


def kept_rows(table: SourceTable, settings: CsvSettings) -> list[tuple[int, Row]]:
    """Return numbers and rows that meet every condition. Raises InputError if there are none."""
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


def told_conditions(table: SourceTable, settings: CsvSettings) -> list[str]:
    """Return conditions for the manifest: `COLUMN=VALUE`, or `COLUMN` if the value may name or describe a patient."""
    return list(
        dict.fromkeys(
            f"{column}={value}" if value in _categories(table, column, settings) else column
            for column, value in _conditions(settings)
        )
    )


def _conditions(settings: CsvSettings) -> list[tuple[str, str]]:
    pairs = [condition.split("=", 1) for condition in settings.keep]
    return [(column, value.strip()) for column, value in pairs]


def _choice(table: SourceTable, settings: CsvSettings) -> str:
    column = settings.keep[0].split("=", 1)[0]
    values = {row[column] for row in table.rows}
    categories = _categories(table, column, settings)
    if values - set(categories):
        return f"{column} has {len(values)} different values"
    return f"{column} has: {', '.join(value or 'nothing' for value in categories)}"


def _categories(table: SourceTable, column: str, settings: CsvSettings) -> list[str]:
    """Return values that may be shown, most frequent first.

    They are short, occur in several rows, and belong to a column that has few values and identifies nobody.
    """
    image = settings.image or ""
    of_patients = {settings.patient, settings.study, settings.report, image, *columns_of(image)}
    counts = Counter(row[column] for row in table.rows)
    if column in of_patients or len(counts) > _FEW_VALUES:
        return []
    return [value for value, count in counts.most_common() if count >= _SEVERAL_ROWS and len(value) <= _SHORT]
