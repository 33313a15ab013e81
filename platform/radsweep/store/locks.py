"""Locks: one worker group writes a cell or stage, one process runs an experiment."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from radsweep.errors import InputError
from radsweep.filesystem import write_atomically

BEAT = 10.0  # seconds between two heartbeats
SILENT = 60.0  # seconds after which a process on another machine counts as dead
WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # the last: Lustre mounted without `flock`


class Lock:
    """Lock on a folder, which the system releases when the process ends for any reason."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lock"
        self.file: int | None = None

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def take(self) -> bool:
        """Try to take the lock. True if it is ours now; call it again while another process has it."""
        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise  # a file system without locks: the last writer of the same numbers wins
        return True


class Lease:
    """Right to run one experiment on one store: a lock, plus a heartbeat for machines that do not see the lock.

    A process on this machine holds it exactly as long as it lives. One on another machine holds it until its last
    heartbeat is a minute old, since a shared file system may not share locks between machines.
    """

    def __init__(self, folder: Path, experiment: str) -> None:
        self.lock = Lock(folder / experiment)
        self.life = folder / experiment / "holder.json"
        self.since = ""
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    def take(self) -> None:
        """Take the lease until this process ends, or `release` is called.

        Raises:
            InputError: another process runs the same experiment; the error says which, since when and what to do.
        """
        ours = self.lock.take()
        holder = self._holder()
        far = holder.get("host") not in (None, socket.gethostname())
        if not ours or (far and time.time() - float(holder["beat"]) < SILENT):
            self.lock.__exit__()
            raise InputError(
                f"process {holder.get('pid', '?')} on {holder.get('host', 'this machine')} has been running this "
                f"experiment since {holder.get('since', '?')}. Wait for it, or stop it and use --resume. To run it "
                "twice in parallel, set a different run.store",
                key="run.store",
            )
        self.since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._beat()
        self._beating = threading.Thread(target=self._work, daemon=True, name="lease")
        self._beating.start()

    def release(self) -> None:
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        with suppress(OSError):
            self.life.unlink(missing_ok=True)
        self.lock.__exit__()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the lease within the block; raises as `take`."""
        self.take()
        try:
            yield
        finally:
            self.release()

    def _holder(self) -> dict[str, str]:
        try:
            found = json.loads(self.life.read_text(encoding="utf-8"))
            return {str(key): str(value) for key, value in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _beat(self) -> None:
        life = {"host": socket.gethostname(), "pid": os.getpid(), "since": self.since, "beat": time.time()}
        write_atomically(self.life, json.dumps(life), durable=False)

    def _work(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError):  # a full disk: the lock still holds
                self._beat()
