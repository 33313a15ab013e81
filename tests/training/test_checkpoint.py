"""A checkpoint is trusted where it is whole: on the disk before it takes its place, passed over where it is damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from radsweep.training import checkpoint, loop
from radsweep.training.context import RunContext
from radsweep.training.task import CONTINUE, PAUSE
from support.synthetic import synthetic_trial
from support.trained import numbers, run

A = "a.safetensors"


def write(folder: Path, step: int) -> None:
    checkpoint.write_folder(folder, {A: {"x": torch.full((8,), float(step))}}, {"step": step})


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4])


def test_a_damaged_checkpoint_is_reported_and_counts_as_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "resume"
    write(folder, 1)
    folder.rename(tmp_path / "resume.old")
    write(tmp_path / "other", 2)
    (tmp_path / "other").rename(folder)
    cut(folder / A)
    found = checkpoint.read_folder(folder)
    assert found is not None
    assert found[1] == {"step": 1}  # of the whole one beside it
    assert f"{folder} is damaged" in caplog.text
    cut(tmp_path / "resume.old" / A)
    assert checkpoint.read_folder(folder) is None


def test_a_trial_whose_checkpoint_is_damaged_starts_again(tmp_path: Path) -> None:
    trial = synthetic_trial()
    with pytest.raises(loop.Paused):
        run(trial, folder=tmp_path, context=RunContext(report=lambda _: PAUSE))
    cut(tmp_path / "resume" / checkpoint.OPTIMISER)
    steps: list[int] = []
    context = RunContext(report=lambda validation: steps.append(validation.step) or CONTINUE)
    resumed = run(trial, folder=tmp_path, context=context)
    assert steps == [4, 8, 12]
    assert numbers(resumed) == numbers(run(trial))


def test_every_file_and_the_folder_are_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: set[int] = set()
    rename = Path.rename

    def renamed(self: Path, target: Path) -> Path:
        assert {path.stat().st_ino for path in (self, *self.iterdir())} == done
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: done.add(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(Path, "rename", renamed)
    write(tmp_path / "resume", 1)
    assert len(done) == 4, "weights, state, their folder, and the one around it"
    assert tmp_path.stat().st_ino in done
