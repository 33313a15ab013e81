"""Files of a packed data set or an archive, in a folder of this machine or in an object store (s3://, gs://).

Object stores are reached through pyarrow's file systems. Credentials and the endpoint come from the environment
(AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, ...), never from an experiment file.
"""

from __future__ import annotations

import io
import re
import shutil
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from radsweep.errors import InputError
from radsweep.filesystem import replacing

CHUNK = 8 * 2**20  # bytes of a file copied at a time
_SCHEME = re.compile(r"[a-z][a-z0-9+]*://", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+]*://[^/@?]+(/[^/@?]+)*/?", re.IGNORECASE)


def is_remote(place: str | Path) -> bool:
    """Return True for an address in an object store, False for a path of this machine."""
    return bool(_SCHEME.match(str(place)))


def absolute_place(place: str) -> str:
    """Return the place as an absolute path, or as an address in an object store without a trailing slash.

    Raises:
        InputError: as `check_address`.
    """
    if not is_remote(place):
        return str(Path(place).expanduser().resolve())
    check_address(place)
    return place.rstrip("/")


def check_address(place: str) -> None:
    """Refuse an address with credentials or options, since it would be kept in records and shown in messages.

    Raises:
        InputError: the address is not valid. The message does not repeat it.
    """
    if is_remote(place) and not _ADDRESS.fullmatch(place):
        raise InputError(
            f"an address in an object store is {place.split('://')[0]}://BUCKET/PATH, without credentials or options. "
            "Set those in the environment, for example AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL"
        )


def inside(place: str | Path, name: str) -> str:
    """Return the path of `name` in a place."""
    return f"{place}/{name}" if is_remote(place) else str(Path(place, name))


def size_of(path: str) -> int | None:
    """Return the size of a file in bytes, or None if it does not exist.

    Raises:
        InputError: an object store does not answer or denies access.
    """
    if not is_remote(path):
        return Path(path).stat().st_size if Path(path).is_file() else None
    system, name = _system(path)
    try:
        found = system.get_file_info(name)
    except OSError as error:
        raise _trouble(path, error) from None
    return found.size if found.type == fs.FileType.File else None


def opened(path: str) -> BinaryIO | pa.NativeFile:
    """Open a file for reading at any position.

    Raises:
        OSError: as `open`.
        InputError: as `size_of`.
    """
    if not is_remote(path):
        return open(path, "rb")
    system, name = _system(path)
    try:
        return system.open_input_file(name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _trouble(path, error) from None


def parquet(path: str) -> pq.ParquetFile:
    """Open a Parquet file. Raises as `opened`, and as pyarrow if it is not Parquet."""
    return pq.ParquetFile(opened(path) if is_remote(path) else path)


def listing(place: str) -> dict[str, int]:
    """Return {name relative to a folder: bytes} of all files below it; empty if the folder does not exist.

    Raises:
        InputError: as `size_of`.
    """
    system, folder = _system(place)
    try:
        found = system.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True))
    except OSError as error:
        raise _trouble(place, error) from None
    return {one.path.removeprefix(f"{folder}/"): one.size for one in found if one.type == fs.FileType.File}


def download(path: str, to: Path) -> None:
    """Copy a file to this machine, in full or not at all.

    Raises:
        InputError: as `size_of`.
        OSError: the file does not exist, or cannot be written on this machine.
    """
    system, name = _system(path)
    try:
        with system.open_input_stream(name) as source:
            _copy(source, to)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _trouble(path, error) from None


def send(file: Path, path: str) -> None:
    """Copy a file of this machine to `path`, in full or not at all.

    Raises:
        InputError: as `write`.
        OSError: the file cannot be read on this machine.
    """
    with open(file, "rb") as source:
        _write(path, source)


def remove(path: str) -> None:
    """Delete a file. Raises InputError if it cannot be deleted or does not exist."""
    system, name = _system(path)
    try:
        system.delete_file(name)
    except OSError as error:
        raise _trouble(path, error, "deleted") from None


def write(path: str, content: bytes) -> None:
    """Write a file. Raises InputError if that fails."""
    _write(path, io.BytesIO(content))


def _write(path: str, source: BinaryIO) -> None:
    system, name = _system(path)
    try:
        if is_remote(path):
            with system.open_output_stream(name) as target:  # an object exists once it is closed
                shutil.copyfileobj(source, target, CHUNK)
        else:
            _copy(source, Path(name))
    except OSError as error:
        raise _trouble(path, error, "written") from None


def _copy(source: BinaryIO | pa.NativeFile, to: Path) -> None:
    """Copy to a file of this machine, in full or not at all."""
    with replacing(to) as unfinished, unfinished.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)


@cache
def _root(scheme_and_bucket: str) -> tuple[fs.FileSystem, str]:
    try:
        system, base = fs.FileSystem.from_uri(scheme_and_bucket)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"{scheme_and_bucket}: {_line(error)}; give a folder, s3:// or gs://") from None
    return system, base


def _system(path: str) -> tuple[fs.FileSystem, str]:
    if not is_remote(path):
        return fs.LocalFileSystem(), path
    check_address(path)
    scheme, rest = path.split("://", 1)
    bucket, _, name = rest.partition("/")
    system, base = _root(f"{scheme}://{bucket}")
    return system, f"{base}/{name}"


def _trouble(path: str, error: OSError, done: str = "read") -> InputError:
    return InputError(
        f"{path}: cannot be {done} ({_line(error)}); check the credentials and endpoint in the environment, for "
        "example AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
