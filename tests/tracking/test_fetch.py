"""A report from only MLflow equals the report from the store; on a real database without a server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radsweep.config.load import parse_experiment
from radsweep.errors import InputError
from radsweep.evaluation.queries import QUERIES, QueryResults, write_queries
from radsweep.report.render.write import write_report
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import RECORD, Store
from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.tracking.fetch import fetch_sweep
from radsweep.tracking.mirror import Mirror

SELECT, TEST = "val/text_to_image/recall_at_10", "test/text_to_image/recall_at_10"
ABLATION = {"arms": {"baseline": {}, "local": {"objective.local.weight": 1.0}}, "seeds": 2}
SEARCH = {"trials": 3, "space": {"train.learning_rate": {"loguniform": [1e-5, 1e-2]}}}


@pytest.fixture
def store(tmp_path: Path, template: Path) -> Store:
    (tmp_path / "store").mkdir()
    shutil.copy(template, tmp_path / "store" / "mlflow.db")
    return Store(tmp_path / "store")


def address(store: Store) -> str:
    return f"sqlite:///{store.root / 'mlflow.db'}"


def sweep(identifier: str = "low-1", status: str = "finished", **question: Any) -> SweepRecord:
    tree = {"experiment": "low", "data": {"shards": "phantom:easy", "pairs": 50}, **question}
    experiment = parse_experiment(tree, "test")
    return SweepRecord(
        id=identifier,
        name="low",
        kind="search" if "search" in question else "ablation",
        experiment=experiment.model_dump(mode="json", exclude_none=True),
        select=SELECT,
        cells=tuple(plan_cells(experiment, lambda trial: f"{trial.objective.local.weight:.0f}{trial.data.seed}")),
        stages=(PlannedCell(key="5tage", stage="image", number=-1),),
        references=(PlannedCell(key="pub1ic", arm="CLIP", reference=True, number=-1000),),
        baseline="baseline",
        data={"name": "easy", "fingerprint": "d" * 64},
        status=status,  # type: ignore[arg-type]
        created="2026-11-24T10:00:00+00:00",
    )


def record(of: SweepRecord, cell: PlannedCell) -> CellRecord:
    value = 0.2 + 0.1 * cell.changes.get("objective.local.weight", 0) + 0.01 * cell.number
    base = parse_experiment({k: v for k, v in of.experiment.items() if k not in ("search", "ablation")}, "test").trial()
    return CellRecord(
        key=cell.key,
        trial=cell_trial(base, cell).model_dump(mode="json"),
        status="finished",
        best={SELECT: value},
        final={TEST: value},
        pairs=50,
        seconds={"total": 3.0},
        stages={"image": "5tage"},
    )


def run(store: Store, of: SweepRecord, finished: int, uri: str = "") -> None:
    """Do what `run_sweep` does around its trials; the first `finished` of them end."""
    store.write_sweep(of)
    with Mirror(uri or address(store), store.root, of) as mirror:
        mirror.start_sweep([store.sweep_file(of.id)])
        store.write_stage(CellRecord(key="5tage", trial={"adapt": {"method": "simsiam"}}, status="finished"))
        mirror.start_trial(of.stages[0], {})
        mirror.finish_trial(record(of, of.stages[0]), store.result_files("5tage", stage=True))
        for number, cell in enumerate(of.cells):
            mirror.start_trial(cell, record(of, cell).trial)
            if number < finished:
                store.write_cell(record(of, cell))
                results = QueryResults(("s1", "s2"), ("p1", "p1"), {"text_to_image": np.array([1.0, 2.5 + number])})
                write_queries(store.cell_folder(cell.key) / QUERIES, results)
                mirror.finish_trial(record(of, cell), store.result_files(cell.key))
        public = CellRecord(key="pub1ic", trial={}, status="finished", final={TEST: 0.5})
        store.write_cell(public)
        mirror.start_trial(of.references[0], {})
        mirror.finish_trial(public, store.result_files("pub1ic"))
        if of.status != "running":
            mirror.finish_sweep(of, {}, None, [store.sweep_file(of.id)])
    assert mirror.pending == 0


def reported(store: Store, of: SweepRecord, folder: Path) -> dict[str, str]:
    cells = store.read_records(of)
    write_report(folder, of, cells, store.read_queries, store.read_stages_of(cells))
    return {file.name: file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_the_report_from_only_mlflow_is_the_report_from_the_store(store: Store, tmp_path: Path) -> None:
    done = sweep(ablation=ABLATION)
    run(store, done, finished=4)
    expected = reported(store, store.read_sweep("low-1"), tmp_path / "expected")
    queries = {cell.key: store.read_queries(cell.key) for cell in done.cells}
    for folder in ("cells", "stages", "sweeps"):
        shutil.rmtree(store.root / folder)
    fetched = Store(tmp_path / "fetched")
    found = fetch_sweep(address(store), "low", fetched)
    assert found == done
    assert reported(fetched, found, tmp_path / "again") == expected
    for key, before in queries.items():
        after = fetched.read_queries(key)
        assert before is not None
        assert after is not None
        assert after.study_ids == before.study_ids
        assert list(after.ranks["text_to_image"]) == list(before.ranks["text_to_image"])
    assert fetched.read_cell("pub1ic") is not None
    assert fetched.read_stages_of(fetched.read_records(found))["5tage"].trial == {"adapt": {"method": "simsiam"}}


def test_unfinished_trials_of_a_running_sweep_are_missing(store: Store, tmp_path: Path) -> None:
    run(store, sweep(status="running", ablation=ABLATION), finished=1)
    fetched = Store(tmp_path / "fetched")
    found = fetch_sweep(address(store), "low", fetched)
    assert set(fetched.read_records(found)) == {found.cells[0].key, "pub1ic"}
    assert (
        "3 of 4 cells have no record yet (the sweep is still running)"
        in reported(fetched, found, tmp_path / "report")["report.md"]
    )


def test_the_trials_of_a_running_search_are_found_in_their_runs(store: Store, tmp_path: Path) -> None:
    asked = sweep(status="running", search=SEARCH)
    rates = (1e-4, 1e-3)
    cells = tuple(
        PlannedCell(key=f"t{n}", changes={"train.learning_rate": rate}, pairs=50, number=n)
        for n, rate in enumerate(rates)
    )
    run(store, asked.model_copy(update={"cells": cells}), finished=2)
    # its own record does not name them while it runs
    store.write_sweep(asked)
    with Mirror(address(store), store.root, asked) as mirror:
        mirror.start_sweep([store.sweep_file(asked.id)])
    found = fetch_sweep(address(store), "low", Store(tmp_path / "fetched"))
    assert found.cells == cells


def test_a_sweep_is_found_by_name_id_or_its_beginning_the_latest_first(store: Store, tmp_path: Path) -> None:
    for identifier in ("low-1", "low-2"):
        run(store, sweep(identifier, ablation=ABLATION), finished=1)
    found = [fetch_sweep(address(store), name, Store(tmp_path / name)).id for name in ("low", "low-1", "lo")]
    assert found == ["low-2", "low-1", "low-2"]
    with pytest.raises(InputError, match=r"mlflow.db: no sweep 'else' there; the latest are: low-1, low-2"):
        fetch_sweep(address(store), "else", Store(tmp_path / "else"))


def test_cells_of_an_abandoned_plan_are_not_fetched(store: Store, tmp_path: Path) -> None:
    old = sweep(ablation=ABLATION)
    run(store, old, finished=4)
    run(store, old.model_copy(update={"cells": old.cells[:2]}), finished=2)
    fetched = Store(tmp_path / "fetched")
    fetch_sweep(address(store), "low", fetched)
    kept = [*(cell.key for cell in old.cells[:2]), "pub1ic"]
    assert sorted(path.name for path in (fetched.root / "cells").iterdir()) == sorted(kept)


def test_runs_without_their_files_are_reported(store: Store, tmp_path: Path) -> None:
    run(store, sweep(ablation=ABLATION), finished=4)
    records = sorted((store.root / "mlartifacts").rglob(RECORD))
    (kept,) = [file for file in records if '"key":"00"' in file.read_text()]
    kept.unlink()
    found = fetch_sweep(address(store), "low", Store(tmp_path / "some"))
    assert found.notes == ("Trials that ended, but whose record.json MLflow lacks, so that they count as missing: 1.",)
    for file in records:
        file.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"no trial of low-1 has its record.json.*Make the report from its store"):
        fetch_sweep(address(store), "low", Store(tmp_path / "none"))
    shutil.rmtree(store.root / "mlartifacts")
    with pytest.raises(InputError, match=r"the run of low-1 has no sweep.json"):
        fetch_sweep(address(store), "low", Store(tmp_path / "nothing"))


def test_a_missing_database_is_not_created_and_an_unreachable_server_is_reported_without_secrets(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="no such file"):
        fetch_sweep(f"sqlite:///{tmp_path / 'mlflow.db'}", "low", Store(tmp_path / "fetched"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"MLflow at http://127.0.0.1:9 cannot be reached") as raised:
        fetch_sweep("http://ann:s3cret@127.0.0.1:9", "low", Store(tmp_path / "fetched"))
    assert "s3cret" not in str(raised.value)
