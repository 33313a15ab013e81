"""Files and folders that appear whole or not at all, whatever kills the process that writes them."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from radsweep.errors import InputError

_LOCK = ".lock"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def disk_full(error: BaseException) -> bool:
    """Whether the disk, a quota or a limit on files is what an error comes from."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def refuse_existing(out: Path) -> None:
    """Raises InputError where there is something at `out`."""
    if os.path.lexists(out):
        raise InputError(f"{out} exists already and is never overwritten: name another folder, or remove it")


def write_atomically(path: Path, data: str | bytes, *, durable: bool = True) -> None:
    """Replace the content of a file at once: a reader, or a kill, sees the old content or the new.

    Text is written as UTF-8. Arguments as those of `replacing`.

    Raises:
        OSError: names the file; its content is as it was.
    """
    try:
        with replacing(path, durable=durable) as unfinished:
            unfinished.write_bytes(data.encode() if isinstance(data, str) else data)
    except OSError as error:
        if error.filename is None:  # a failed write does not say of which file
            error.filename = str(path)
        raise


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A name beside `path` to write a file to, which replaces `path` at the end; it is removed if anything is raised.

    The folder is made if it is missing. A killed process leaves a `.NAME.*` file, which nothing reads.

    Args:
        durable: a power cut loses neither the old file nor, after the end, the new one. False saves two waits for the
            disk, for a file that is soon written again or can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield unfinished
        if durable:
            sync_to_disk(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if durable:
        sync_to_disk(path.parent)


@contextmanager
def new_folder(out: Path, working: Collection[str] = ()) -> Iterator[Path]:
    """A temporary sibling of `out` to write into; renamed to `out` at the end, removed if anything is raised.

    A killed process leaves a `.OUT.partial-*` folder, which the next call for the same `out` removes. A lock
    on a file in it tells a killed process's folder from one that is still being written.

    working: names of files that are no part of `out`. They outlive a process that was killed or interrupted, or that
    failed for a reason which is no InputError: the next call with such names finds them in its folder.
    Raises InputError where `out` exists, is being written by another process, or the disk is full.
    """
    out = Path(os.path.abspath(out))
    refuse_existing(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial, lock = _taken_over(out, working) or _made(out)
    except OSError as error:
        raise InputError(f"cannot write beside {out}: {error.strerror}") from error
    try:
        yield partial
        sync_tree(partial, without={_LOCK, *working})
        if os.path.lexists(out):
            raise InputError(f"{out} was made by another process meanwhile; nothing was changed there")
        for name in working:
            (partial / name).unlink(missing_ok=True)
        sync_to_disk(partial)
        os.rename(partial, out)
        (out / _LOCK).unlink()  # not before: unlocked, the folder would be another call's to remove
        sync_to_disk(out.parent)
    except BaseException as error:
        if not working or isinstance(error, InputError) or disk_full(error):
            shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and disk_full(error):
            raise InputError(f"no room left for {out} ({error.strerror}): free space there") from error
        raise
    finally:
        lock.close()


def sync_tree(folder: Path, without: Collection[str] = ()) -> None:
    """Flush every file and folder below `folder`, and itself, to the disk; but for files of some names."""
    for base, _, files in os.walk(folder, topdown=False):
        for name in files:
            if name not in without:
                sync_to_disk(Path(base, name))
        sync_to_disk(Path(base))


Partial = tuple[Path, IO[bytes]]  # a folder, and the open file that locks it


def _taken_over(out: Path, working: Collection[str]) -> Partial | None:
    """A killed process's folder with its working files alone, if there is one; other folders left are removed."""
    taken: Partial | None = None
    for path in _partials(out):
        lock = _locked(path, out)
        if taken is None and any((path / name).exists() for name in working):
            _clear(path, keep={_LOCK, *working})
            taken = path, lock
        else:
            shutil.rmtree(path)
            lock.close()
    return taken


def _made(out: Path) -> Partial:
    folder = out.parent / f".{out.name}.partial-{secrets.token_hex(4)}"
    folder.mkdir()
    lock = _locked(folder, out)
    try:
        for other in _partials(out):  # of a process that looked, as this one did, before either had made its own
            if other != folder:
                _locked(other, out).close()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
        raise
    return folder, lock


def _partials(out: Path) -> list[Path]:
    return sorted(path for path in out.parent.iterdir() if path.name.startswith(f".{out.name}.partial-"))


def _locked(folder: Path, out: Path) -> IO[bytes]:
    """The lock of a folder, ours until it is closed. Raises InputError where another process has it."""
    with suppress(BlockingIOError, FileNotFoundError):  # held, or removed by the process that held it
        file = (folder / _LOCK).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), (folder / _LOCK).stat()):
                return file
        except OSError:
            file.close()
            raise
    raise InputError(f"{out} is being written by another process: wait for it, or end it")


def _clear(folder: Path, keep: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in keep:
            path.unlink()


def sync_to_disk(path: Path) -> None:
    """Have the file or folder on disk, so that a crash cannot undo it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # some file systems sync no folders
            raise
    finally:
        os.close(handle)
