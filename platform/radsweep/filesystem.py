"""Write files and folders atomically, whatever kills the process that writes them."""

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
    """True if an error comes from a full disk, a quota or a limit on the size of files."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def refuse_existing(out: Path) -> None:
    """Raise InputError if there is something at `out`."""
    if os.path.lexists(out):
        raise InputError(f"{out} already exists and is never overwritten; give another folder, or remove it")


def write_atomically(path: Path, data: str | bytes, *, durable: bool = True) -> None:
    """Replace the content of a file atomically: a reader sees the old content or the new.

    Text is written as UTF-8. Arguments as those of `replacing`.

    Raises:
        OSError: the error names the file, whose content is unchanged.
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
    """Yield a path beside `path` to write to. The file replaces `path` at the end, or is removed after an error.

    A missing folder is created. A killed process leaves a `.NAME.*` file, which nothing reads.

    Args:
        durable: a power cut loses neither the old file nor, after the end, the new one. False saves two waits for the
            disk; use it for a file that is soon written again or can be made again.
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
    """Yield a temporary folder beside `out` to write into; renamed to `out` at the end, removed if anything is raised.

    A killed process leaves a `.OUT.partial-*` folder, which the next call for the same `out` removes. A lock on a file
    in it shows whether the folder is still being written.

    Args:
        working: names of files that are not part of `out`. They are kept if the process is killed, interrupted or fails
            with anything but an InputError, and the next call with these names finds them in its folder.

    Raises:
        InputError: `out` exists, another process is writing it, or the disk is full.
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
            raise InputError(f"{out} was created by another process in the meantime; nothing was changed there")
        for name in working:
            (partial / name).unlink(missing_ok=True)
        sync_to_disk(partial)
        os.rename(partial, out)
        (out / _LOCK).unlink()  # only now: another call would remove the folder if it were not locked
        sync_to_disk(out.parent)
    except BaseException as error:
        if not working or isinstance(error, InputError) or disk_full(error):
            shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and disk_full(error):
            raise InputError(f"no space left for {out} ({error.strerror}); free space there") from error
        raise
    finally:
        lock.close()


def sync_tree(folder: Path, without: Collection[str] = ()) -> None:
    """Flush `folder` and every file and folder below it to the disk, except files with the names in `without`."""
    for base, _, files in os.walk(folder, topdown=False):
        for name in files:
            if name not in without:
                sync_to_disk(Path(base, name))
        sync_to_disk(Path(base))


Partial = tuple[Path, IO[bytes]]  # a folder, and the open file that locks it


def _taken_over(out: Path, working: Collection[str]) -> Partial | None:
    """Take over the folder of a killed process, with only its working files; other leftover folders are removed."""
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
        for other in _partials(out):  # of a process that looked before this one had created its folder
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
    """Lock a folder until the returned file is closed. Raises InputError if another process has locked it."""
    with suppress(BlockingIOError, FileNotFoundError):  # held, or removed by the process that held it
        file = (folder / _LOCK).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), (folder / _LOCK).stat()):
                return file
        except OSError:
            file.close()
            raise
    raise InputError(f"another process is writing {out}; wait for it, or stop it")


def _clear(folder: Path, keep: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in keep:
            path.unlink()


def sync_to_disk(path: Path) -> None:
    """Flush a file or folder to the disk, so that a crash cannot undo it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # some file systems cannot sync folders
            raise
    finally:
        os.close(handle)
