"""A killed or failed writer leaves nothing that looks complete, and nothing that blocks the next one."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from radsweep import filesystem
from radsweep.errors import InputError
from radsweep.filesystem import new_folder, replacing, write_atomically

WRITER = """
import sys, time
from pathlib import Path
from radsweep.filesystem import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "writing\n"
    return process


def test_the_folder_of_a_killed_writer_is_removed_by_the_next(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.wait()
    assert [path.name.startswith(".out.partial-") for path in tmp_path.iterdir()] == [True]
    with new_folder(tmp_path / "out") as made:
        (made / "whole").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]


def test_the_folder_of_a_running_writer_is_not_touched(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    try:
        with pytest.raises(InputError, match="another process is writing"), new_folder(tmp_path / "out"):
            pass
        assert len(list(tmp_path.glob(".out.partial-*/half"))) == 1
    finally:
        writer.kill()
        writer.wait()


def test_two_writers_that_start_at_once_do_not_both_succeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_folder(tmp_path / "out") as first:
        monkeypatch.setattr(filesystem, "_taken_over", lambda out, working: None)
        with pytest.raises(InputError, match="another process is writing"), new_folder(tmp_path / "out"):
            pass
        (first / "whole").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "whole"]


@pytest.mark.parametrize("data", ["é\r\nnew", "é\r\nnew".encode()])
def test_text_and_bytes_replace_a_file_whose_folder_is_made(data: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "in" / "a folder" / "record.json"
    write_atomically(file, "old")
    write_atomically(file, data)
    assert file.read_bytes() == "é\r\nnew".encode()
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_files_mode_is_that_of_any_other_new_file(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "record.json", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "record.json").stat().st_mode) == 0o666 & ~mask


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "new \ud800")

    def interrupted() -> None:
        with replacing(file) as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_reported_with_the_files_name(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "record.json"
    write_atomically(file, "old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left") as raised:
        write_atomically(file, "new")
    assert raised.value.filename == str(file)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_durable_file_is_on_the_disk_before_its_name_and_then_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, done, replace = tmp_path / "record.json", list[int](), os.replace

    def replaced(source: Path, target: Path) -> None:
        assert done == ([source.stat().st_ino] if durable else [])
        replace(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(os, "replace", replaced)
    durable = True
    write_atomically(file, "x")
    assert done == [file.stat().st_ino, tmp_path.stat().st_ino]
    durable = False
    done.clear()
    write_atomically(file, "x", durable=False)
    assert done == []


def test_a_file_system_that_cannot_sync_folders_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", only_files)
    write_atomically(tmp_path / "record.json", "x")
    assert (tmp_path / "record.json").read_text() == "x"


def test_two_writers_at_once_each_write_their_own_file(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    with replacing(file) as first:
        first.write_text("first")
        with replacing(file) as second:
            second.write_text("second")
        assert file.read_text() == "second"
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]
