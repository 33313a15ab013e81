"""Progress of a sweep, read from only its store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.store.locks import SILENT, Lease
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.progress import status
from radsweep.sweep.progress.status import StatusWriter, in_words, read_progress, sweep_state

SELECT = "val/text_to_image/recall_at_10"
CELLS = tuple(PlannedCell(key=f"{n}", arm="local", pairs=100, subset_seed=n, number=n) for n in range(4))


def sweep_in(store: Store, **values: Any) -> SweepRecord:
    plain = {"id": "mine-1", "name": "mine", "kind": "ablation", "experiment": {}, "select": SELECT, "cells": CELLS}
    record = SweepRecord.model_validate(plain | {"created": "2026-11-01"} | values)
    store.write_sweep(record)
    return record


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(status, "EVERY", 0.0)
    return Store(tmp_path)


def test_the_last_progress_of_a_live_driver_is_read_back(store: Store) -> None:
    record = sweep_in(store)
    lease = Lease(store.root / "leases", "question")
    board = StatusWriter(store.sweep_folder(record.id), SELECT, lease.life)
    with lease.taken():
        board.expect(4)
        board.started("0", in_words(CELLS[0]))
        board.started("1", in_words(CELLS[1]))
        board.validated("1", 20, 0.25)
        board.left("0")
        board.ended(in_words(CELLS[0]), {"finished": 1, "failed": 0}, 0.5, 90.0)
        board.ended(in_words(CELLS[2]), {"finished": 2, "failed": 0}, 0.4, 60.0)
        found = read_progress(store, record)
        assert sweep_state(record, found) == "running"
    assert (found.done, found.total, found.seconds_left) == (2, 4, 60.0)
    assert (found.best, found.best_place) == (0.5, "local / 100 pairs / seed 0")
    assert {key: (one.place, one.step, one.score) for key, one in found.running.items()} == {
        "1": ("local / 100 pairs / seed 1", 20, 0.25)
    }
    assert sweep_state(record, found) == "cut short"  # its driver ended, and its record says that it runs
    assert sweep_state(record.model_copy(update={"status": "finished"}), found) == "finished"


def test_the_time_left_decreases_until_the_next_trial_ends(
    store: Store, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    record, lease = sweep_in(store), Lease(store.root / "leases", "question")
    board = StatusWriter(store.sweep_folder(record.id), SELECT, lease.life)
    with lease.taken():
        board.ended(in_words(CELLS[0]), {"finished": 1}, 0.5, 90.0)
        told = []
        for now[0] in (1000.0, 1020.0, 1055.0):
            (found,) = json.loads(run("status", "mine", "--store", str(store.root), "--json").out)
            told.append(found["seconds_left"])
        table = run("status", "mine", "--store", str(store.root)).out
    assert told == [90.0, 70.0, 35.0]
    assert "35 s" in table


def test_a_driver_on_another_machine_is_alive_until_its_last_sign_is_old(store: Store, tmp_path: Path) -> None:
    record, life = sweep_in(store), tmp_path / "holder.json"
    progress = StatusWriter(store.sweep_folder(record.id), SELECT, life).progress
    progress.driver = ("far", 7)
    for age, pid, expected in ((5, 7, "running"), (SILENT + 5, 7, "cut short"), (5, 8, "cut short")):
        life.write_text(json.dumps({"host": "far", "pid": pid, "beat": time.time() - age}))
        assert sweep_state(record, progress) == expected  # 8: another sweep of the same question


def test_a_sweep_without_trials_yet_is_running(store: Store) -> None:
    record, lease = sweep_in(store), Lease(store.root / "leases", "question")
    with lease.taken():
        StatusWriter(store.sweep_folder(record.id), SELECT, lease.life)
        assert sweep_state(record, read_progress(store, record)) == "running"


def test_the_lowest_is_best_of_a_rank(store: Store) -> None:
    board = StatusWriter(store.root, "val/text_to_image/median_rank", None)
    for n, score in enumerate((9.0, 4.0, 7.0)):
        board.ended(str(n), {"finished": n + 1}, score, None)
    assert (board.progress.best, board.progress.best_place) == (4.0, "1")


def test_writes_are_rare_and_a_full_disk_stops_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "EVERY", 60.0)
    written: list[str] = []

    def write(path: Path, text: str) -> None:
        written.append(text)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(status, "write_atomically", write)
    board = StatusWriter(store.root, SELECT, None)
    for n in range(100):
        board.started(str(n), "somewhere")
    assert len(written) == 1


def test_a_sweep_without_a_progress_file_is_shown_from_its_records(store: Store, run: Callable[..., Any]) -> None:
    sweep_in(store, status="interrupted")
    for key, how, score, of, rose in (
        ("0", "finished", 0.2, "mine-1", "converged"),
        ("1", "finished", 0.3, "old", "still rising"),
        ("2", "failed", None, "mine-1", "cannot tell"),
    ):
        best = {} if score is None else {SELECT: score}
        store.write_cell(
            CellRecord(key=key, trial={}, status=how, best=best, sweep=of, ended="2026-11-02", convergence=rose)
        )
    ended = run("status", "mine", "--store", str(store.root), "--json")
    (shown,) = json.loads(ended.out)
    assert (shown["state"], shown["done"], shown["total"]) == ("interrupted", 3, 4)
    assert shown["counts"] == {"finished": 1, "reused": 1, "failed": 1}
    assert shown["convergence"] == {"converged": 1, "still rising": 1}
    assert (shown["best"], shown["best_place"]) == (0.3, "local / 100 pairs / seed 1")
    ended = run("status", "mine", "--store", str(store.root))
    assert "3 of 4" in ended.out
    assert "--resume" in ended.out
    assert run("status", "other", "--store", str(store.root)).code == 2
    assert "No sweep" in run("status", "--store", str(store.root / "empty")).out
