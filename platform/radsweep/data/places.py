"""Where a packed data set lies: a folder of this machine, or one in an object store (s3://, gs://).

Object stores are read through pyarrow's file systems. Credentials and the endpoint come from the environment
(AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, ...), never from an experiment file.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from radsweep.errors import InputError

_SCHEME = re.compile(r"[a-z][a-z0-9+]*://", re.IGNORECASE)


def is_remote(place: str | Path) -> bool:
    return bool(_SCHEME.match(str(place)))


def absolute(place: str) -> str:
    """The place as any process would name it.

    Raises:
        InputError: as `check_address`.
    """
    if not is_remote(place):
        return str(Path(place).expanduser().resolve())
    check_address(place)
    return place.rstrip("/")


def check_address(place: str) -> None:
    """Refuse an address that holds credentials or options: it would be kept in records and shown in messages.

    Raises:
        InputError: does not repeat the address.
    """
    if is_remote(place) and ("@" in place or "?" in place):
        raise InputError(
            f"an address in an object store is {place.split('://')[0]}://BUCKET/PATH, without credentials or options: "
            "those come from the environment, such as AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL"
        )


def inside(place: str | Path, name: str) -> str:
    return f"{place}/{name}" if is_remote(place) else str(Path(place, name))


def size_of(path: str) -> int | None:
    """Bytes of a file; None where there is none.

    Raises:
        InputError: an object store that does not answer, or refuses.
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
    """For reading at any place in it.

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
    """Raises as `opened`, and as pyarrow where it is no Parquet."""
    return pq.ParquetFile(opened(path) if is_remote(path) else path)


@cache
def _root(scheme_and_bucket: str) -> tuple[fs.FileSystem, str]:
    try:
        system, base = fs.FileSystem.from_uri(scheme_and_bucket)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"{scheme_and_bucket}: {_line(error)}; give a folder, s3:// or gs://") from None
    return system, base


def _system(path: str) -> tuple[fs.FileSystem, str]:
    check_address(path)
    scheme, rest = path.split("://", 1)
    bucket, _, name = rest.partition("/")
    system, base = _root(f"{scheme}://{bucket}")
    return system, f"{base}/{name}"


def _trouble(path: str, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot be read ({_line(error)}); credentials and endpoint come from the environment, such as "
        "AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
