"""A killed writer leaves nothing that looks whole, and nothing in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from radsweep import filesystem
from radsweep.errors import InputError
from radsweep.filesystem import new_folder

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


def test_a_killed_writer_is_cleared_away_by_the_next(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.wait()
    assert [path.name.startswith(".out.partial-") for path in tmp_path.iterdir()] == [True]
    with new_folder(tmp_path / "out") as made:
        (made / "whole").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]


def test_a_living_writer_is_left_alone(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    try:
        with pytest.raises(InputError, match="being written by another process"), new_folder(tmp_path / "out"):
            pass
        assert len(list(tmp_path.glob(".out.partial-*/half"))) == 1
    finally:
        writer.kill()
        writer.wait()


def test_of_two_that_looked_before_either_had_begun_the_second_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_folder(tmp_path / "out") as first:
        monkeypatch.setattr(filesystem, "_taken_over", lambda out, working: None)
        with pytest.raises(InputError, match="being written by another process"), new_folder(tmp_path / "out"):
            pass
        (first / "whole").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "whole"]
