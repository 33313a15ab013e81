"""Locks and leases: the error of a second process, and the release when a process dies."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from radsweep.errors import InputError
from radsweep.store.locks import SILENT, Lease, Lock

HOLD = """
import sys, time
from pathlib import Path
from radsweep.store.locks import Lease
Lease(Path(sys.argv[1]), "experiment").take()
print("held", flush=True)
time.sleep(600)
"""


def test_a_lock_has_one_holder_until_it_is_released(tmp_path: Path) -> None:
    with Lock(tmp_path / "cell") as first, Lock(tmp_path / "cell") as second:
        assert first.take()
        assert not second.take()
        first.__exit__()
        assert second.take()
        assert second.take()  # taken again by its holder


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS], ids=errno.errorcode.get)
def test_a_file_system_without_locks_allows_every_writer(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refused)
    with Lock(tmp_path / "cell") as lock:
        assert lock.take()


def test_an_experiment_is_refused_while_another_process_runs_it_and_free_once_that_is_killed(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=rf"^run.store: process {other.pid} on .* since 20.*--resume"):
        Lease(tmp_path, "experiment").take()
    with Lease(tmp_path, "another").taken():
        pass
    other.kill()  # -9
    other.wait()
    with Lease(tmp_path, "experiment").taken():
        assert (tmp_path / "experiment" / "holder.json").exists()
    assert not (tmp_path / "experiment" / "holder.json").exists()


@pytest.mark.parametrize(("age", "refused"), [(1.0, True), (SILENT + 1, False)])
def test_another_machine_counts_as_alive_for_a_minute(tmp_path: Path, age: float, refused: bool) -> None:
    holder = {"host": "elsewhere", "pid": 7, "since": "2026-01-01 00:00:00", "beat": time.time() - age}
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "holder.json").write_text(json.dumps(holder))
    lease = Lease(tmp_path, "experiment")
    if refused:
        with pytest.raises(InputError, match="process 7 on elsewhere"):
            lease.take()
        assert json.loads((tmp_path / "experiment" / "holder.json").read_text())["pid"] == 7
    else:
        with lease.taken():
            pass
