"""A folder that appears whole or not at all, whatever kills the process that writes it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radsweep.errors import InputError

_LOCK = ".lock"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def no_room(error: BaseException) -> bool:
    """Whether the disk, a quota or a limit on files is what an error comes from."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def refuse_existing(out: Path) -> None:
    """Raises InputError where there is something at `out`."""
    if os.path.lexists(out):
        raise InputError(f"{out} exists already and is never overwritten: name another folder, or remove it")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary sibling of `out` to write into; renamed to `out` at the end, removed if anything is raised.

    A killed process leaves a `.OUT.partial-*` folder, which the next call for the same `out` removes. A lock
    on a file in it tells a killed process's folder from one that is still being written.
    Raises InputError where `out` exists, is being written by another process, or the disk is full.
    """
    out = Path(os.path.abspath(out))
    refuse_existing(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(out)
        partial = out.parent / f".{out.name}.partial-{secrets.token_hex(4)}"
        partial.mkdir()
        lock = (partial / _LOCK).open("x")
    except OSError as error:
        raise InputError(f"cannot write beside {out}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield partial
        (partial / _LOCK).unlink()
        sync_tree(partial)
        if os.path.lexists(out):
            raise InputError(f"{out} was made by another process meanwhile; nothing was changed there")
        os.rename(partial, out)
        sync(out.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and no_room(error):
            raise InputError(f"no room left for {out} ({error.strerror}): free space there") from error
        raise
    finally:
        lock.close()


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below `folder`, and itself, to the disk."""
    for base, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync(Path(base, name))
        sync(Path(base))


def _remove_abandoned(out: Path) -> None:
    prefix = f".{out.name}.partial-"
    for left in [path for path in out.parent.iterdir() if path.name.startswith(prefix)]:
        if _is_locked(left / _LOCK):
            raise InputError(f"{out} is being written by another process: wait for it, or end it")
        shutil.rmtree(left)


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def sync(path: Path) -> None:
    """Have the file or folder on disk, so that a crash cannot undo it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
