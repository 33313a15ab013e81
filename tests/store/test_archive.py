"""Results in an archive: another store reuses them, whatever failed during the transfer."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.config.run import Run
from radsweep.data import storage
from radsweep.errors import InputError
from radsweep.store.archive import AT_ONCE, ArchivedStore, open_store
from radsweep.store.locks import Lock
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import RECORD, Store

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


def test_results_are_uploaded_and_another_store_fetches_them(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    store.check_writable()
    assert store.in_archive(["c0"]) == set()
    store.ended(cell("c0").model_copy(update={"stages": {"image": "s0"}}))
    store.ended(cell("c2", "failed"))
    store._senders.shutdown(wait=True)
    assert {file.split("/")[1] for file in files(archive) if "/" in file} == {"c0", "s0"}, "while the sweep runs"
    assert store.flush(sweep(archive)) == ""
    kept = ["cells/c0/queries.parquet", "cells/c0/record.json", "cells/c1/record.json", "probe"]
    kept += ["stages/s0/checkpoint/model.safetensors", "stages/s0/record.json"]
    assert files(archive) == sorted([*kept, "sweeps/kept-1/report/report.html", "sweeps/kept-1/sweep.json"])
    other = ArchivedStore(tmp_path / "two", str(archive))
    assert other.read_cells(["c0", "c1", "c2"]) == {}, "nothing is fetched without a request"
    assert other.in_archive(["c0", "c1", "c2"]) == {"c0", "c1"}
    other.fetch(["c0", "c1", "c2"])
    other.fetch(["s0"], stages=True)
    assert other.read_cells(["c0", "c1", "c2"]) == {"c0": cell("c0"), "c1": cell("c1")}
    assert other.read_stage("s0") == cell("s0")
    plain = Store(tmp_path / "two")  # what workers open
    assert (plain.cell_folder("c0") / "queries.parquet").read_bytes() == b"queries"
    assert (plain.stage_folder("s0") / "checkpoint" / "model.safetensors").read_bytes() == b"weights"
    assert plain.read_cell("c1") == cell("c1")


def test_an_updated_record_is_uploaded_again(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    assert store.flush(sweep(archive)) == ""
    tested = cell("c1").model_copy(update={"final": {"test/loss": 0.25}})
    store.write_cell(tested)
    (store.cell_folder("c1") / "queries.parquet").write_bytes(b"more")
    later = ArchivedStore(store.root, str(archive))  # another process, such as `radsweep sync`
    assert later.flush(sweep(archive)) == ""
    other = ArchivedStore(tmp_path / "two", str(archive))
    other.fetch(["c1"])
    assert other.read_cell("c1") == tested
    assert (other.cell_folder("c1") / "queries.parquet").read_bytes() == b"more"


def test_unchanged_files_are_not_uploaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    assert store.flush(sweep(archive)) == ""
    sent: list[str] = []
    send = storage.send
    monkeypatch.setattr(storage, "send", lambda file, path: (sent.append(path), send(file, path)))
    assert ArchivedStore(store.root, str(archive)).flush(sweep(archive)) == ""
    assert [Path(path).name for path in sent] == ["sweep.json"]


def test_a_report_that_recommends_another_trial_replaces_the_first_in_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    report = store.report_folder(sweep(archive))

    def recommended(trial: str) -> None:
        """Write files whose size does not depend on the trial."""
        (report / "winner").mkdir(exist_ok=True)
        (report / "best.yaml").write_text(f"experiment: {trial}")
        (report / "winner" / "model.safetensors").write_text(f"weights of {trial}")
        (report / "winner" / "state.json").write_text(f'{{"trial": "{trial}"}}')

    recommended("a")
    (report / "candidate.yaml").write_text("experiment: b")
    assert store.flush(sweep(archive)) == ""
    recommended("b")
    (report / "candidate.yaml").unlink()
    assert ArchivedStore(store.root, str(archive)).flush(sweep(archive)) == ""
    sent = archive / "sweeps" / "kept-1" / "report"
    assert files(sent) == files(report)
    assert all((sent / name).read_bytes() == (report / name).read_bytes() for name in files(report))

    recommended("c")
    send = storage.send

    def breaks(file: Path, path: str) -> None:
        if file.suffix == ".safetensors":
            raise OSError("the network is gone")
        send(file, path)

    monkeypatch.setattr(storage, "send", breaks)
    assert "the network is gone" in ArchivedStore(store.root, str(archive)).flush(sweep(archive))
    assert not (sent / "winner" / "model.safetensors").exists(), "no weights are better than those of another trial"
    monkeypatch.setattr(storage, "send", send)
    assert ArchivedStore(store.root, str(archive)).flush(sweep(archive)) == ""
    assert (sent / "winner" / "model.safetensors").read_text() == "weights of c"


def test_a_record_is_transferred_last_in_both_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    sent: list[str] = []
    send, fetch = storage.send, storage.download
    monkeypatch.setattr(storage, "send", lambda file, path: (sent.append(path), send(file, path)))
    store._send("cells", "c0", {})
    assert sent[-1].endswith(RECORD)
    assert len(sent) == 2

    def dies(path: str, to: Path) -> None:
        if to.name == RECORD:
            raise OSError("the network is gone")
        fetch(path, to)

    monkeypatch.setattr(storage, "download", dies)
    other = ArchivedStore(tmp_path / "two", str(archive))
    other.fetch(["c0"])
    assert other.read_cell("c0") is None
    assert "the network is gone" in other.trouble
    monkeypatch.setattr(storage, "download", fetch)
    other.fetch(["c0"])
    assert other.read_cell("c0") == cell("c0")


def test_an_unreachable_archive_is_not_tried_for_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "archive"
    store = filled(tmp_path / "one", archive)
    archive.write_text("no folder")  # nothing can be written below it
    tries: list[str] = []
    send = storage.send
    monkeypatch.setattr(storage, "send", lambda file, path: (tries.append(path), send(file, path)))
    for _ in range(50):
        store.ended(cell("c0"))
    store._senders.shutdown(wait=True)
    assert 1 <= len(tries) <= AT_ONCE
    assert store.flush(sweep(archive)).startswith(f"5 results are not in {archive} yet (")
    with pytest.raises(InputError, match=r"^run\.archive: .* cannot be written"):
        store.check_writable()
    archive.unlink()
    assert ArchivedStore(store.root, str(archive)).flush(sweep(archive)) == ""
    assert "cells/c0/record.json" in files(archive)


def test_an_upload_ends_if_the_archive_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path / "one", tmp_path / "archive")

    def refuse(place: str) -> dict[str, int]:
        raise InputError(f"{place}: no right to list")

    monkeypatch.setattr(storage, "listing", refuse)
    assert "no right to list" in store.flush(sweep(tmp_path / "archive"))
    assert not (tmp_path / "archive").exists()
    with pytest.raises(InputError, match=r"run\.archive: .* no right to list"):
        store.check_writable()


def test_a_result_that_another_group_computes_is_not_fetched(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    filled(tmp_path / "one", archive).flush(sweep(archive))
    other = ArchivedStore(tmp_path / "two", str(archive))
    with Lock(other.cell_folder("c0")) as lock:
        assert lock.take()
        other.fetch(["c0"])
        assert other.read_cell("c0") is None
    own = cell("c1").model_copy(update={"best": {"val/loss": 0.1}})
    other.write_cell(own)
    other.fetch(["c0", "c1"])
    assert other.read_cell("c1") == own
    assert other.read_cell("c0") == cell("c0")


def test_a_store_without_an_archive_is_a_plain_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RADSWEEP_ARCHIVE", raising=False)
    assert type(open_store(Run(store=str(tmp_path)))) is Store
    assert Store(tmp_path).flush(sweep(None)) == ""
    monkeypatch.setenv("RADSWEEP_ARCHIVE", str(tmp_path / "archive"))
    store = open_store(Run(store=str(tmp_path)))
    assert isinstance(store, ArchivedStore)
    assert store.place == str(tmp_path / "archive")
    assert Run(archive="there").archive == str(Path("there").absolute())
    with pytest.raises(InputError, match=r"^run\.archive: .* without credentials"):
        open_store(Run(store=str(tmp_path), archive="s3://me:secret@bucket/x"))
