"""Read a table (CSV, TSV, Parquet, Excel) as rows of text, and find its columns."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsweep.data.importers.toolkit.delimited import read_delimited
from radsweep.data.importers.toolkit.excel import read_excel
from radsweep.data.importers.toolkit.table_files import READ, TableFile, open_table, unreadable
from radsweep.data.importers.toolkit.text_files import DecodedText, EncodingErrors, decode_text
from radsweep.errors import InputError

Row = dict[str, str]
_FIELD = re.compile(r"\{([^{}]+)\}")
_MOST_NAMES, _LONGEST_NAME = 40, 60  # of columns in a message
_OF_A_ROW = re.compile(r"\d[\d.]*|.*\d{5}.*|.*\.(?:png|jpe?g|dcm|dicom|tiff?|bmp)", re.IGNORECASE)
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x9f]")  # characters of files that are not text
_START, _MOST_CONTROL = 10_000, 0.02  # characters that are looked at; the share of them that may be such
_NO_ROWS = "no rows; expected a header line and a row for each image or study"


@dataclass(frozen=True)
class SourceTable:
    """Rows of stripped text ("" for a missing value), and the encoding they were read with ("" if not from text).

    columns: all columns of the file, "" for one without a name; the rows may hold fewer, and hold none whose name
    repeats. notes: on how the file was read, for the manifest. numbers: of the rows in the file; from 1 if empty.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str
    notes: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    def numbered(self) -> Iterator[tuple[int, Row]]:
        """Yield the number of each row in the file, for messages, and the row."""
        return zip(self.numbers or range(1, len(self.rows) + 1), self.rows, strict=True)


@dataclass(frozen=True)
class TextFormat:
    """Format of a table of text. delimiter: "" to find it. by_user: the user can change these by options."""

    encoding: str = "auto"
    errors: EncodingErrors = "strict"
    delimiter: str = ""
    by_user: bool = False


def read_table(path: Path, text_format: TextFormat = TextFormat(), keep: Collection[str] | None = None) -> SourceTable:
    """Read a table, recognised by its content: CSV, TSV, Parquet or Excel, also compressed.

    Args:
        text_format: how to read text; found from the file by default.
        keep: columns that the rows hold, for large tables of which few are used; all if None.

    Raises:
        InputError: the file cannot be read, or not as a table.
    """
    if path.is_dir():
        return _from_parquet(path, path, keep)
    file = open_table(path)
    if file.kind == "parquet":
        return _from_parquet(path, path if file.data is None else file.data, keep)
    if file.kind == "excel":
        return _from_excel(path, file.data or b"", keep)
    name, decoded = file.name, _decoded(path, file, text_format)
    del file  # a large table is in memory once: as bytes, then as text
    return _from_text(path, name, decoded, text_format.delimiter, keep)


def require_columns(table: SourceTable, named: Mapping[str, Iterable[str]]) -> None:
    """Check that the columns of each option exist, once. named: option to columns. Raises InputError."""
    for option, columns in named.items():
        for column in columns:
            if table.columns.count(column) > 1:
                raise InputError(f"{table.path}: {option}: the header names {column} twice; rename one of them")
            if column not in table.columns:
                raise InputError(f"{table.path}: {option}: no column {column}{_others(column, table.columns)}")


def columns_of(pattern: str) -> list[str]:
    """Return the names in braces: `patientid` from `images/{patientid}.*`."""
    return _FIELD.findall(pattern)


def fill(pattern: str, row: Row, quote: Callable[[str], str] = str) -> str:
    """Replace names in braces by the row's values, passed through `quote`."""
    return _FIELD.sub(lambda match: quote(row[match[1]]), pattern)


def _others(wanted: str, columns: Sequence[str]) -> str:
    """Return the nearest column and all of them for a message, unless the first line seems to be a patient's row."""
    names = ["".join(sign if sign.isprintable() else "?" for sign in name) for name in columns if name]
    if any(len(name) > _LONGEST_NAME or _OF_A_ROW.fullmatch(name) for name in names):
        return "; the first line does not look like a header, expected the names of the columns"
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{hint}; columns: {', '.join(names[:_MOST_NAMES])}{more}"


def _decoded(path: Path, file: TableFile, text_format: TextFormat) -> DecodedText:
    return decode_text(file.data or b"", path, text_format.encoding, text_format.errors, text_format.by_user)


def _from_text(
    path: Path, name: str, decoded: DecodedText, delimiter: str, keep: Collection[str] | None
) -> SourceTable:
    notes = []
    if decoded.replaced:
        notes.append(f"{decoded.replaced} bytes of the table that are not {decoded.encoding} were replaced by U+FFFD")
    text = decoded.text
    if len(_CONTROL.findall(text[:_START])) > max(8, _MOST_CONTROL * len(text[:_START])):
        raise InputError(f"{path}: is not a table of text; expected {READ}")
    if nuls := text.count("\0"):
        notes.append(f"{nuls} NUL bytes were removed from the table")
        text = text.replace("\0", "")
    header, rows = read_delimited(path, name, text, delimiter)
    kept = _kept(header, keep)
    held = tuple({name: values[place] for place, name in kept} for _, values in rows)
    if not held:
        raise InputError(f"{path}: {_NO_ROWS}")
    return SourceTable(path, tuple(header), held, decoded.encoding, tuple(notes))


def _kept(header: Sequence[str], keep: Collection[str] | None) -> list[tuple[int, str]]:
    """Return (place, name) of the columns that rows hold."""
    times = Counter(header)
    return [
        (place, name)
        for place, name in enumerate(header)
        if name and times[name] == 1 and (keep is None or name in keep)
    ]


def _from_excel(path: Path, data: bytes, keep: Collection[str] | None) -> SourceTable:
    rows, notes = read_excel(path, data)
    header = [_text(value) for value in rows[0]]
    kept = _kept(header, keep)
    values = ([_text(value) for value in row] for row in rows[1:])
    held = tuple({name: row[place] if place < len(row) else "" for place, name in kept} for row in values if any(row))
    if not held:
        raise InputError(f"{path}: {_NO_ROWS}")
    return SourceTable(path, tuple(header), held, "", tuple(notes))


def _from_parquet(path: Path, source: Path | bytes, keep: Collection[str] | None) -> SourceTable:
    import pyarrow as pa  # here, else `radsweep --help` would wait for it
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(source) if isinstance(source, bytes) else source)
        kept = _kept(table.column_names, keep)
        columns = [[_text(value) for value in table.column(place).to_pylist()] for place, _ in kept]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    names = [name for _, name in kept]
    rows = tuple(dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
    if not len(table):
        raise InputError(f"{path}: no rows; expected a row for each image or study")
    return SourceTable(path, tuple(table.column_names), rows, "")


def _text(value: Any) -> str:
    if value is None or value != value:  # null, or NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # whole numbers that became floats because of a missing value
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    return str(value).strip()
