"""Records in the store are written atomically and found again."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from radsweep.errors import InputError
from radsweep.filesystem import write_atomically
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import Store, store_folder


def sweep(identifier: str, name: str, created: str) -> SweepRecord:
    return SweepRecord(id=identifier, name=name, kind="train", experiment={}, select="", cells=(), created=created)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = CellRecord(key="k", trial={"data": {"pairs": 3}}, status="finished", best={"val/x": 0.1})
    Store(tmp_path).write_cell(record)
    assert Store(tmp_path).read_cell("k") == record
    assert Store(tmp_path).read_cells(["k", "missing"]) == {"k": record}


@pytest.mark.parametrize("content", ["", "{", '{"key": 3}'])
def test_a_damaged_record_counts_as_missing(content: str, tmp_path: Path) -> None:
    write_atomically(tmp_path / "cells" / "k" / "record.json", content)
    assert Store(tmp_path).read_cell("k") is None


@pytest.mark.parametrize("name", ["resume", "resume.old"])  # the second: of a kill between two renames
def test_a_fresh_sweep_resumes_from_no_older_checkpoint(name: str, tmp_path: Path) -> None:
    store, began = Store(tmp_path), "2026-01-02T00:00:00.000+00:00"
    for kind, folder in (("cell", store.cell_folder("k")), ("stage", store.stage_folder("k"))):
        forget = getattr(store, f"forget_{kind}")
        state = folder / name / "state.json"
        state.parent.mkdir(parents=True)
        state.write_text("{}")
        day = datetime.fromisoformat(began).timestamp()
        os.utime(state, (day + 1, day + 1))  # of the same sweep, which was interrupted
        forget("k", began)
        assert state.exists()
        os.utime(state, (day - 1, day - 1))
        forget("k")
        assert state.exists()
        forget("k", began)
        assert not state.parent.exists()


def test_a_sweep_is_found_by_name_id_or_its_beginning_the_latest_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for identifier, created in (("low-1", "2026-01-01"), ("low-2", "2026-01-02"), ("other-3", "2026-01-03")):
        store.write_sweep(sweep(identifier, identifier[:-2], created))
    assert store.read_sweep("low").id == "low-2"
    assert store.read_sweep("low-1").id == "low-1"
    assert store.read_sweep("oth").id == "other-3"
    with pytest.raises(InputError, match=r"no sweep 'missing'.*other-3"):
        store.read_sweep("missing")


def test_the_store_is_named_by_the_file_then_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RADSWEEP_STORE", str(tmp_path / "environment"))
    assert store_folder(str(tmp_path / "file")) == tmp_path / "file"
    assert store_folder(None) == tmp_path / "environment"
    monkeypatch.delenv("RADSWEEP_STORE")
    assert store_folder(None) == Path.home() / "radsweep"
