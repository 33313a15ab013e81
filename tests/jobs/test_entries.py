"""Entry points of `ray job submit` run the uploaded code, from any folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the code, and make the copy print that it is one."""
    folder = tmp_path_factory.mktemp("upload")
    for name in ("jobs", "platform"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    with (folder / "platform" / "radsweep" / "__init__.py").open("a") as file:
        file.write("\nprint('the uploaded code')\n")
    return folder


def ended(upload: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(upload / "jobs" / arguments[0]), *arguments[1:]]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", ["sweep", "train", "report"])
def test_an_entry_point_runs_its_command_of_the_uploaded_code(upload: Path, tmp_path: Path, name: str) -> None:
    done = ended(upload, tmp_path, f"{name}.py", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("the uploaded code\n")
    assert f"radsweep {name} " in done.stdout.rsplit("Example:", 1)[1]


def test_a_job_with_a_wrong_experiment_fails_with_the_same_line(upload: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("experiment: t\ndata: {shards: x}\ntrain: {epochs: many}\n")
    done = ended(upload, tmp_path, "sweep.py", "wrong.yaml", "--set", "train.clip=2")
    assert done.returncode == 2
    assert done.stderr == 'radsweep: wrong.yaml: train.epochs: expected a whole number, found "many"\n'


@pytest.mark.parametrize("name", ["sweep", "train", "report"])
def test_an_entry_point_is_a_few_lines(name: str) -> None:
    assert len((ROOT / "jobs" / f"{name}.py").read_text().splitlines()) <= 10
