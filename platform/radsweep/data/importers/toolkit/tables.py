"""Read a table (CSV, TSV, Parquet) as rows of text, and find its columns."""

from __future__ import annotations

import codecs
import csv
import difflib
import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from radsweep.errors import InputError

Row = dict[str, str]
_FIELD = re.compile(r"\{([^{}]+)\}")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class SourceTable:
    """Rows of stripped text ("" for a missing value), and the encoding they were read with ("" for Parquet).

    columns: all columns of the file; the rows may hold fewer.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str


def read_table(path: Path, encoding: str = "auto", keep: Collection[str] | None = None) -> SourceTable:
    """Read `path`: .parquet, or else CSV with comma, semicolon or tab, also as .gz. Raises InputError.

    keep: columns that the rows hold, for large tables of which few are used; all if None.
    """
    if path.suffix == ".parquet":
        return _from_parquet(path, keep)
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    used = detect_encoding(data) if encoding == "auto" else encoding
    try:
        text = data.decode(used)
    except LookupError as error:
        raise InputError(
            f"{path}: encoding {encoding!r} is not known; give for example utf-8, cp1252, latin-1"
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line} is not {used}; try --encoding auto, cp1252 or latin-1") from error
    return _from_csv(path, text, used, keep)


def detect_encoding(data: bytes) -> str:
    """Detect an encoding: by a byte order mark, else UTF-8 if valid, else cp1252 or the guess of charset-normalizer.

    cp1252 is for text that is nearly all ASCII: Western records with a degree sign or a curly quote.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    if sum(byte > 127 for byte in data) > 0.05 * len(data):
        from charset_normalizer import from_bytes

        best = from_bytes(data[:1_000_000]).best()
        if best:
            return best.encoding
    try:
        data.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def require_columns(table: SourceTable, named: Mapping[str, Iterable[str]]) -> None:
    """Check that the columns of each option exist. named: option to columns. Raises InputError."""
    for option, columns in named.items():
        for column in columns:
            if column not in table.columns:
                near = difflib.get_close_matches(column, table.columns, n=1, cutoff=0.5)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise InputError(
                    f"{table.path}: {option}: no column {column}{hint}; columns: {', '.join(table.columns)}"
                )


def columns_of(pattern: str) -> list[str]:
    """Return the names in braces: `patientid` from `images/{patientid}.*`."""
    return _FIELD.findall(pattern)


def fill(pattern: str, row: Row, quote: Callable[[str], str] = str) -> str:
    """Replace names in braces by the row's values, passed through `quote`."""
    return _FIELD.sub(lambda match: quote(row[match[1]]), pattern)


def _from_csv(path: Path, text: str, encoding: str, keep: Collection[str] | None) -> SourceTable:
    csv.field_size_limit(2**31 - 1)
    header_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        header = [name.strip() for name in next(lines, [])]
        kept = [(place, name) for place, name in enumerate(header) if keep is None or name in keep]
        for number, fields in enumerate(lines, 1):
            if not any(field.strip() for field in fields):
                continue
            if any(field.strip() for field in fields[len(header) :]):
                raise InputError(
                    f"{path}: row {number} (line {lines.line_num}) has {len(fields)} fields, the header {len(header)}; "
                    "quote the fields that contain the delimiter"
                )
            values = [field.strip() for field in fields[: len(header)]]
            values += [""] * (len(header) - len(values))
            rows.append({name: values[place] for place, name in kept})
    except csv.Error as error:
        raise InputError(f"{path}: line {lines.line_num}: {error}") from error
    twice = {name for name in header if header.count(name) > 1}
    if not rows or twice:
        problem = f"the header names {', '.join(sorted(twice))} twice" if twice else "no rows"
        raise InputError(f"{path}: {problem}; expected a header line and a row for each image or study")
    return SourceTable(path, tuple(header), tuple(rows), encoding)


def _from_parquet(path: Path, keep: Collection[str] | None) -> SourceTable:
    import pyarrow as pa  # here, else `radsweep --help` would wait for it
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    names = [name for name in table.column_names if keep is None or name in keep]
    columns = [[_text(value) for value in table[name].to_pylist()] for name in names]
    rows = tuple(dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
    if not len(table):
        raise InputError(f"{path}: no rows; expected a row for each image or study")
    return SourceTable(path, tuple(table.column_names), rows, "")


def _unreadable(path: Path, error: Exception) -> InputError:
    detail = error.strerror if isinstance(error, OSError) and error.strerror else "broken or of another format"
    return InputError(f"{path}: the table cannot be read: {detail}")


def _text(value: object) -> str:
    if value is None or value != value:  # null, or NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # whole numbers that became floats because of a missing value
    return str(value).strip()
