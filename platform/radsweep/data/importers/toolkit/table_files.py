"""Recognise the format of a table file by its content, whatever its name, and unpack compressed ones."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Literal

from radsweep.errors import InputError

READ = "CSV, TSV, Parquet or Excel (.xlsx)"
TableFormat = Literal["text", "parquet", "excel"]
_CSV_OF_PANDAS = "save it as CSV, for example with pandas and to_csv"
_OTHER_FORMATS = (  # first bytes, what it is, what to do
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file (.xls) or one with a password", "save it as CSV or .xlsx"),
    (b"ARROW1", "a Feather file", _CSV_OF_PANDAS),
    (b"FEA1", "a Feather file", _CSV_OF_PANDAS),
    (b"ORC", "an ORC file", _CSV_OF_PANDAS),
    (b"\x89HDF", "an HDF5 file", _CSV_OF_PANDAS),
    (b"\x80\x04\x95", "a pickle, which may run code", _CSV_OF_PANDAS),
    (b"\x80\x05\x95", "a pickle, which may run code", _CSV_OF_PANDAS),
    (b"SQLite format 3", "an SQLite database", "export its table as CSV"),
    (b"$FL2", "an SPSS file", _CSV_OF_PANDAS),
    (b"$FL3", "an SPSS file", _CSV_OF_PANDAS),
    (b"<stata_dta>", "a Stata file", _CSV_OF_PANDAS),
    (b"RDX", "a file of R", "write it with write.csv"),
    (b"%PDF", "a PDF", "export the table as CSV"),
    (b"{\\rtf", "an RTF document", "export the table as CSV"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"\x89PNG", "a picture", "give the table"),
    (b"\xff\xd8\xff", "a picture", "give the table"),
)
_GZIP, _BZIP2, _XZ, _ZSTD, _ZIP, _PARQUET = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK", b"PAR1"


@dataclass(frozen=True)
class TableFile:
    """Content of a table file without its compression.

    name: that of the file, or of the member of an archive, without `.gz` and the like. data: None for a Parquet file
    that need not be unpacked.
    """

    kind: TableFormat
    name: str
    data: bytes | None


def open_table(path: Path) -> TableFile:
    """Read and recognise a table file. Raises InputError that names a format that is not read, and what to do."""
    try:
        with path.open("rb") as file:
            if file.read(4) == _PARQUET:
                return TableFile("parquet", path.name, None)
            file.seek(0)
            data = file.read()
    except OSError as error:
        raise unreadable(path, error) from error
    return _recognised(path, path.name, data)


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error for a file that exists in a known format but cannot be read."""
    detail = error.strerror if isinstance(error, OSError) and error.strerror else "broken or of another format"
    return InputError(f"{path}: the table cannot be read: {detail}")


def _recognised(path: Path, name: str, data: bytes, depth: int = 0) -> TableFile:
    if data.startswith(_PARQUET):
        return TableFile("parquet", name, data)
    if depth < 3:
        try:
            unpacked = _decompressed(data)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise InputError(
                f"{path}: the compressed table is damaged or cut off; copy or download it again"
            ) from error
        if unpacked is not None:
            shorter = PurePosixPath(name)
            return _recognised(path, shorter.stem if shorter.suffix else name, unpacked, depth + 1)
    if data.startswith(_ZIP):
        return _from_zip(path, data, depth)
    _refuse_other_formats(path, data)
    return TableFile("text", name, data)


def _decompressed(data: bytes) -> bytes | None:
    if data.startswith(_GZIP):
        return gzip.decompress(data)
    if data.startswith(_BZIP2):
        return bz2.decompress(data)
    if data.startswith(_XZ):
        return lzma.decompress(data)
    if data.startswith(_ZSTD):
        import pyarrow as pa  # here, else `radsweep --help` would wait for it

        return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    return None


def _from_zip(path: Path, data: bytes, depth: int) -> TableFile:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
            if any(name == "[Content_Types].xml" or name.startswith("xl/") for name in names):
                return TableFile("excel", path.name, data)
            if "mimetype" in names or "content.xml" in names:
                raise InputError(f"{path}: is an OpenDocument file (.ods), expected {READ}; save it as CSV or .xlsx")
            files = [name for name in names if not name.endswith("/") and not _by_the_way(name)]
            if len(files) != 1 or depth:
                raise InputError(
                    f"{path}: is a ZIP archive of {len(files)} files, expected one table; unpack it and give the table"
                )
            content = archive.read(files[0])
    except RuntimeError as error:
        raise InputError(f"{path}: is a ZIP archive with a password; unpack it and give the table") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError) as error:
        raise InputError(f"{path}: is a damaged ZIP archive; copy or download it again") from error
    return _recognised(path, PurePosixPath(files[0]).name, content, depth + 1)


def _by_the_way(name: str) -> bool:
    """Return True for files that a Mac puts beside those that were packed."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _refuse_other_formats(path: Path, data: bytes) -> None:
    found = next(((what, do) for start, what, do in _OTHER_FORMATS if data.startswith(start)), None)
    if data[257:262] == b"ustar":
        found = "a tar archive", "unpack it and give the table"
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:100].lower().startswith((b"<!doctype html", b"<html")):
        found = "a web page, as a download without signing in gives", "download the table again"
    elif start.startswith(b"<?xml"):
        found = "an XML file", "save it as CSV"
    elif start.startswith((b"{", b"[")) and _is_json(data):
        found = "a JSON file", _CSV_OF_PANDAS
    if found:
        raise InputError(f"{path}: is {found[0]}, expected {READ}; {found[1]}")


def _is_json(data: bytes) -> bool:
    """Return True for JSON, or lines of it."""
    for text in (data, data.lstrip().split(b"\n", 1)[0]):
        try:
            return isinstance(json.loads(text), dict | list)
        except (ValueError, RecursionError):
            continue
    return False
