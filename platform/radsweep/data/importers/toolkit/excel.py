"""Read the first filled sheet of an Excel file (.xlsx) as rows of values; needs openpyxl."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from radsweep.errors import InputError


def read_excel(path: Path, data: bytes) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Return the rows of the first sheet that has any, the header first, and notes on sheets that were not read.

    Raises:
        InputError: openpyxl is not installed, or the file is damaged.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            f"{path}: is an Excel file, which needs openpyxl; install it (pip install 'radsweep[excel]'), or save the "
            "table as CSV"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles that openpyxl does not know
            book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True)
            sheets = [(sheet.title, _rows(sheet)) for sheet in book.worksheets]
    except Exception as error:  # a damaged file makes each of its parsers raise something of its own
        raise InputError(f"{path}: the Excel file is damaged; save it again, or as CSV") from error
    filled = [(title, rows) for title, rows in sheets if rows]
    if not filled:
        raise InputError(f"{path}: no rows; expected a header line and a row for each image or study")
    others = len(filled) - 1
    notes = [f"the first sheet of the Excel file was read; {others} more with content were not"] if others else []
    return filled[0][1], notes


def _rows(sheet: Any) -> list[tuple[Any, ...]]:
    sheet.reset_dimensions()  # a file may state them wrongly
    return [row for row in sheet.iter_rows(values_only=True) if any(value is not None for value in row)]
