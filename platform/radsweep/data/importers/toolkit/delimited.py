"""Delimited text (CSV, TSV) as a header and rows: find the delimiter, skip what Excel adds, refuse shifted rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath

from radsweep.errors import InputError

DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n)', re.IGNORECASE)  # first line that Excel reads and hides
_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++")
_SAMPLE = 100  # records that the delimiter is judged by


def read_delimited(
    path: Path, name: str, text: str, delimiter: str = ""
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the names of the columns, and an iterator of (number of the row from 1, its stripped fields).

    A row has as many fields as there are columns. Empty lines are passed over.

    Args:
        path: for messages.
        name: of the file; `.tsv` and `.tab` have tabs if the header has any.
        delimiter: one character; found from the text if "".

    Raises:
        InputError: quotes that do not end, or a row with more fields than the header; it names the line.
    """
    csv.field_size_limit(2**31 - 1)
    skipped = 0
    if line := _SEPARATOR_LINE.match(text):
        delimiter, text, skipped = delimiter or line[1], text[line.end() :], 1
    delimiter = delimiter or find_delimiter(text, name)
    records = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    try:
        header = next((fields for fields in records if any(map(str.strip, fields))), [])
    except csv.Error as error:
        raise _broken(path, records.line_num + skipped, error) from error
    names = [name.strip().strip("\ufeff") for name in header]
    return names, _rows(path, records, names, skipped)


def find_delimiter(text: str, name: str = "") -> str:
    """Return the delimiter by which most of the first records have as many fields as the header, at least two."""
    found, best = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        records = csv.reader(_lines(text), delimiter=delimiter)
        try:
            sample = [fields for fields in islice(records, _SAMPLE) if any(map(str.strip, fields))]
        except csv.Error:
            continue
        if not sample or len(sample[0]) < 2:
            continue
        if delimiter == "\t" and PurePath(name).suffix.lower() in (".tsv", ".tab"):
            return delimiter
        fitting = sum(len(fields) == len(sample[0]) for fields in sample) / len(sample)
        if (fitting, len(sample[0])) > best:
            found, best = delimiter, (fitting, len(sample[0]))
    return found


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends; a file object would copy the text with 4 bytes a character."""
    return (match.group() for match in _LINE.finditer(text))


def _rows(path: Path, records: Iterator[list[str]], names: list[str], skipped: int) -> Iterator[tuple[int, list[str]]]:
    width, named = len(names), len(names)
    while named and not names[named - 1]:  # columns without a name at the end, which Excel may leave
        named -= 1
    try:
        for number, fields in enumerate(records, 1):
            if not any(map(str.strip, fields)):
                continue
            line = f"{path}: row {number} (line {records.line_num + skipped})"  # type: ignore[attr-defined]
            if any(map(str.strip, fields[width:])):
                raise InputError(
                    f"{line} has {len(fields)} fields, the header {width}: quote the fields that contain the delimiter"
                )
            if any(map(str.strip, fields[named:])):
                raise InputError(
                    f"{line} has a value in a column without a name: name the column, or quote the fields that contain "
                    "the delimiter"
                )
            values = [field.strip() for field in fields[:width]]
            yield number, values + [""] * (width - len(values))
    except csv.Error as error:
        raise _broken(path, records.line_num + skipped, error) from error  # type: ignore[attr-defined]


def _broken(path: Path, line: int, error: csv.Error) -> InputError:
    return InputError(f"{path}: line {line}: {error}; check the quotes there")
