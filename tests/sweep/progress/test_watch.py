"""Lines about trials that ended, and their counts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from rich.console import Console as Terminal

from radsweep.cluster.trial_capacity import Capacity
from radsweep.console import Console
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.progress.time_left import TimeLeft
from radsweep.sweep.progress.watch import ProgressCallback

SELECT = "val/text_to_image/recall_at_10"


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


def watch(folder: Path, said: io.StringIO, total: int, **sweep: Any) -> ProgressCallback:
    plain = {"id": "mine-1", "name": "mine", "kind": "ablation", "experiment": {}, "select": SELECT, "cells": ()}
    console = Console(Terminal(file=said, width=200))
    time_left = TimeLeft(lambda cell: Capacity(1, 1, 1, 0), lambda cell: cell.pairs or 1)
    watched = ProgressCallback(
        Store(folder), MagicMock(), console, SweepRecord.model_validate(plain | sweep), time_left
    )
    watched.expect([], more=total)
    return watched


def place(key: str, number: int, arm: str = "local") -> PlannedCell:
    return PlannedCell(key=key, arm=arm, pairs=100, number=number)


def record(key: str, seconds: float = 10.0, **more: Any) -> CellRecord:
    plain = {"key": key, "trial": {}, "status": "finished", "best": {SELECT: 0.5}, "seconds": {"total": seconds}}
    return CellRecord.model_validate(plain | more)


def test_trials_are_counted_and_not_the_positions_that_share_them(tmp_path: Path, said: io.StringIO) -> None:
    watched = watch(tmp_path, said, 2)
    places = [place("a", 0, "baseline"), place("a", 1, "same"), place("b", 2)]
    watched.reuse([(cell, record(cell.key)) for cell in places])
    assert watched.counts["reused"] == watched.status_writer.progress.done == 2
    assert [line[:7] for line in said.getvalue().splitlines()] == ["   1 of", "   2 of"]
    (told,) = watched.mirror.reuse_trials.call_args.args  # type: ignore[attr-defined]
    assert [cell.number for cell, _, _ in told] == [0, 1, 2]  # each has its own MLflow run


def test_a_winner_that_ran_again_is_one_trial(tmp_path: Path, said: io.StringIO) -> None:
    watched = watch(tmp_path, said, 1, kind="search")
    watched.reuse([(place("a", 0), record("a"))])
    watched.store.write_cell(record("a"))
    ran = MagicMock(config={"work": {"cell": place("a", 0).model_dump()}}, last_result={"status": "finished"})
    watched.on_trial_complete(0, [], ran)
    assert watched.counts == {"finished": 1, "reused": 0, "stopped": 0, "failed": 0}
    assert "   1 of 1" in said.getvalue().splitlines()[-1]


def test_every_trial_that_has_not_ended_is_expected_once(tmp_path: Path, said: io.StringIO) -> None:
    watched = watch(tmp_path, said, 0)
    places = [place(key, number) for number, key in enumerate("aabc")]
    watched.expect(places)
    watched.reuse([(places[0], record("a"))])
    watched.expect([*places, place("d", 4)])  # tuning chose
    assert (watched.total, watched.status_writer.progress.total) == (4, 4)
    assert watched.time_left.seconds() == 30
