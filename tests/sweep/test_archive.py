"""Results in an archive as well: another store starts from them, whatever died on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from radsweep.data import places
from radsweep.errors import InputError
from radsweep.spec.experiment import Run
from radsweep.sweep.archive import ArchivedStore, archive_of, open_store
from radsweep.sweep.locks import Lock
from radsweep.sweep.store import RECORD, Store
from radsweep.training.record import CellRecord, PlannedCell, SweepRecord

CELLS = tuple(PlannedCell(key=f"c{number}") for number in range(3))
STAGES = (PlannedCell(key="s0", stage="image"),)


def cell(key: str, status: str = "finished") -> CellRecord:
    return CellRecord.model_validate({"key": key, "trial": {}, "status": status, "best": {"val/loss": 0.5}})


def sweep(archive: Path | None) -> SweepRecord:
    return SweepRecord(
        id="kept-1", name="kept", kind="ablation", experiment={"run": {"archive": str(archive)} if archive else {}},
        select="val/loss", cells=CELLS, stages=STAGES, baseline="", created="2026",
    )  # fmt: skip


def filled(root: Path, place: Path) -> ArchivedStore:
    """A store with a sweep of three cells, one of which failed, a stage and a report."""
    store = ArchivedStore(root, str(place))
    for planned in CELLS:
        store.write_cell(cell(planned.key, "failed" if planned.key == "c2" else "finished"))
    (store.cell_folder("c0") / "queries.parquet").write_bytes(b"queries")
    (store.cell_folder("c0") / "checkpoint").mkdir()
    (store.cell_folder("c0") / "checkpoint" / "model.safetensors").write_bytes(b"trial")
    (store.stage_folder("s0") / "checkpoint").mkdir(parents=True)
    (store.stage_folder("s0") / "checkpoint" / "model.safetensors").write_bytes(b"weights")
    store.write_stage(cell("s0"))
    store.write_sweep(sweep(place))
    folder = store.report_folder(sweep(place))
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("report")
    return store


def files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_what_ended_is_sent_and_another_store_has_it(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    store.check_writable("a.yaml")
    store.ended(cell("c0"))
    store.ended(cell("c2", "failed"))
    assert store.send_rest(sweep(archive)) == ""
    kept = ["cells/c0/queries.parquet", "cells/c0/record.json", "cells/c1/record.json", "probe"]
    kept += ["stages/s0/checkpoint/model.safetensors", "stages/s0/record.json"]
    assert files(archive) == sorted([*kept, "sweeps/kept-1/report/report.html", "sweeps/kept-1/sweep.json"])
    other = ArchivedStore(tmp_path / "two", str(archive))
    assert other.read_cells(["c0", "c1", "c2"]) == {"c0": cell("c0"), "c1": cell("c1")}
    assert other.read_stage("s0") == cell("s0")
    plain = Store(tmp_path / "two")  # what workers open
    assert (plain.cell_folder("c0") / "queries.parquet").read_bytes() == b"queries"
    assert (plain.stage_folder("s0") / "checkpoint" / "model.safetensors").read_bytes() == b"weights"
    assert plain.read_cell("c1") == cell("c1")
    assert other.read_cell("c2") is None


def test_a_record_comes_last_in_either_direction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    sent: list[str] = []
    send, fetch = places.send, places.fetch
    monkeypatch.setattr(places, "send", lambda file, path: (sent.append(path), send(file, path)))
    store._send("cells", "c0")
    assert sent[-1].endswith(RECORD)
    assert len(sent) == 2

    def dies(path: str, to: Path) -> None:
        if to.name == RECORD:
            raise OSError("the network is gone")
        fetch(path, to)

    monkeypatch.setattr(places, "fetch", dies)
    other = ArchivedStore(tmp_path / "two", str(archive))
    assert other.read_cell("c0") is None
    assert "the network is gone" in other.trouble
    monkeypatch.setattr(places, "fetch", fetch)
    assert other.read_cell("c0") == cell("c0")


def test_while_the_archive_is_away_results_wait_in_the_store(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    archive.write_text("no folder")  # nothing can be written below it
    store.ended(cell("c0"))
    assert store.send_rest(sweep(archive)).startswith(f"5 results are not in {archive} yet: ")
    with pytest.raises(InputError, match=r"a\.yaml: run\.archive: .* cannot be written"):
        store.check_writable("a.yaml")
    archive.unlink()
    again = archive_of(sweep(archive), store.root)
    assert again is not None
    assert again.send_rest(sweep(archive)) == ""
    assert "cells/c0/record.json" in files(archive)


def test_what_another_group_is_making_is_not_fetched_over_it(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    filled(tmp_path / "one", archive).send_rest(sweep(archive))
    other = ArchivedStore(tmp_path / "two", str(archive))
    with Lock(other.cell_folder("c0")) as lock:
        assert lock.take()
        assert other.read_cell("c0") is None
    own = cell("c1").model_copy(update={"best": {"val/loss": 0.1}})
    other.write_cell(own)
    assert other.read_cell("c1") == own
    assert other.read_cell("c0") == cell("c0")


def test_without_an_archive_a_store_is_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RADSWEEP_ARCHIVE", raising=False)
    assert type(open_store(Run(store=str(tmp_path)), "a.yaml")) is Store
    assert archive_of(sweep(None), tmp_path) is None
    assert Store(tmp_path).send_rest(sweep(None)) == ""
    monkeypatch.setenv("RADSWEEP_ARCHIVE", str(tmp_path / "archive"))
    store = open_store(Run(store=str(tmp_path)), "a.yaml")
    assert isinstance(store, ArchivedStore)
    assert store.place == str(tmp_path / "archive")
    shutil.rmtree(tmp_path / "archive", ignore_errors=True)
    with pytest.raises(InputError, match=r"a\.yaml: run\.archive: .* without credentials"):
        open_store(Run(store=str(tmp_path), archive="s3://me:secret@bucket/x"), "a.yaml")
