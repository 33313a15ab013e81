"""`radsweep report` on made-up records: one sweep, several, and only MLflow."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.load import parse_experiment
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.tracking.address import prepare
from radsweep.tracking.mirror import Mirror

SELECT, TEST = "val/text_to_image/recall_at_10", "test/text_to_image/recall_at_10"
LOCAL, CROP = {"objective.local.weight": 1.0}, {"augment.image.crop": [0.8, 1.0]}
Run = Callable[..., Any]


def sweep(store: Store, name: str, arm: dict[str, Any], data: str = "d" * 64) -> SweepRecord:
    """A baseline and an arm, both finished, in the store."""
    ablation = {"arms": {"baseline": {}, name: arm}, "pairs": [100], "seeds": 2}
    experiment = parse_experiment(
        {"experiment": name, "data": {"shards": "phantom:easy"}, "ablation": ablation}, "test"
    )
    record = SweepRecord(
        id=f"{name}-1",
        name=name,
        kind="ablation",
        experiment=experiment.model_dump(mode="json", exclude_none=True),
        select=SELECT,
        cells=tuple(plan_cells(experiment, lambda trial: f"{hash(trial.model_dump_json()) % 2**32:x}")),
        baseline="baseline",
        data={"name": "easy", "fingerprint": data},
        status="finished",
    )
    store.write_sweep(record)
    for cell in record.cells:
        value = 0.2 + 0.1 * bool(cell.changes) + 0.01 * cell.subset_seed
        trial = cell_trial(experiment.trial(), cell).model_dump(mode="json")
        store.write_cell(
            CellRecord(
                key=cell.key, trial=trial, status="finished", pairs=100, best={SELECT: value}, final={TEST: value}
            )
        )
    return record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def arm_cells(folder: Path) -> list[tuple[str, float, float | None]]:
    """Arm, mean, difference from the baseline."""
    cells = json.loads((folder / "report.json").read_text())["report"]["arm_cells"]
    return [
        (c["arm"], round(c["value"]["spread"]["mean"], 6), c["comparison"] and c["comparison"]["difference"])
        for c in cells
    ]


def test_several_sweeps_are_one_report_against_the_baseline_of_the_first(run: Run, store: Store) -> None:
    sweep(store, "local", LOCAL)
    sweep(store, "crop", CROP)
    told = run("report", "local", "crop")
    assert told.code == 0, told.err
    (folder,) = (store.root / "comparison").iterdir()
    assert f"Report: {folder / 'report.html'}" in told.out
    assert [cell[:2] for cell in arm_cells(folder)] == [("baseline", 0.205), ("local", 0.305), ("crop", 0.305)]
    assert arm_cells(folder)[2][2] == arm_cells(folder)[1][2] == pytest.approx(0.1)
    assert "This report combines 2 sweeps, local-1, crop-1;" in (folder / "report.md").read_text()


def test_a_comparison_is_written_to_the_given_folder_and_refused_over_two_data_sets(
    run: Run, store: Store, tmp_path: Path
) -> None:
    sweep(store, "local", LOCAL)
    sweep(store, "crop", CROP, data="e" * 64)
    refused = run("report", "local", "crop", "--out", tmp_path / "out")
    assert refused.code == 2
    assert "local-1 and crop-1 ran on different data sets" in refused.err
    assert not (tmp_path / "out").exists()
    assert run("report", "crop", "--out", tmp_path / "out", "--json").code == 0
    assert (tmp_path / "out" / "report.html").is_file()
    assert not (store.root / "sweeps" / "crop-1" / "report").exists()


def test_every_comparison_is_printed_as_csv_latex_or_json(run: Run, store: Store) -> None:
    record = sweep(store, "local", LOCAL)
    table = run("report", "local", "--format", "csv")
    assert table.code == 0, table.err
    base, local = csv.DictReader(io.StringIO(table.out))
    assert (base["arm"], local["arm"], local["changes"]) == ("baseline", "local", "objective.local.weight: 1")
    assert float(local["difference"]) == pytest.approx(0.1)
    assert (local["verdict"], local["difference_low"]) == ("cannot be claimed", "")
    assert run("report", "local", "--format", "latex").out.startswith("\\begin{table}")
    whole = run("report", "local", "--format", "json")
    assert (
        whole.out == run("report", "local", "--json").out == (store.report_folder(record) / "report.json").read_text()
    )


def test_two_formats_and_a_table_of_no_comparisons_are_refused_before_anything_is_written(
    run: Run, store: Store, tmp_path: Path
) -> None:
    record = sweep(store, "local", LOCAL)
    both = run("report", "local", "--json", "--format", "csv", "--out", tmp_path / "out")
    assert (both.code, both.out) == (2, "")
    assert "--json and --format csv print two things; give one of them" in both.err
    store.write_sweep(record.model_copy(update={"kind": "search"}))
    search = run("report", "local", "--format", "latex", "--out", tmp_path / "out")
    assert search.code == 2
    assert "local-1 is a search, and latex is a table of an ablation's comparisons; use --format json" in search.err
    assert not (tmp_path / "out").exists()


def test_a_report_written_again_names_the_best_and_updates_the_winner(run: Run, store: Store, tmp_path: Path) -> None:
    record = sweep(store, "local", LOCAL)
    for cell in record.cells:
        (store.cell_folder(cell.key) / "checkpoint").mkdir()
        (store.cell_folder(cell.key) / "checkpoint" / "model.safetensors").write_text(cell.arm)
    weights = store.report_folder(record) / "winner" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_text("of another version of radsweep")
    assert run("report", "local", "--out", tmp_path / "out").code == 0
    assert weights.read_text() == "of another version of radsweep", "a report elsewhere changes nothing here"
    told = run("report", "local")
    assert told.code == 0, told.err
    assert "best.yaml: Arm baseline, kept at 100 pairs: local has the best mean" in told.out
    assert "candidate.yaml: Arm local, the best mean" in told.out
    assert weights.read_text() == "baseline"
    store.write_sweep(record.model_copy(update={"status": "running"}))
    weights.write_text("the sweep's own")
    assert run("report", "local").code == 0
    assert weights.read_text() == "the sweep's own", "while a sweep runs, its end makes winner/"


def test_the_report_from_only_mlflow_is_that_of_the_store(run: Run, store: Store, tmp_path: Path) -> None:
    elsewhere = Store(tmp_path / "elsewhere")
    uri = prepare(f"sqlite:///{tmp_path / 'elsewhere' / 'mlflow.db'}", elsewhere.root)
    record = sweep(elsewhere, "local", LOCAL)
    with Mirror(uri, elsewhere.root, record) as mirror:
        mirror.start_sweep([elsewhere.sweep_file(record.id)])
        for cell in record.cells:
            found = elsewhere.read_cell(cell.key)
            assert found is not None
            mirror.start_trial(cell, found.trial)
            mirror.finish_trial(found, elsewhere.result_files(cell.key))
    told = run("report", "local", "--tracking-uri", uri)
    assert told.code == 0, told.err
    folder = store.root / "sweeps" / "local-1" / "report"
    assert f"Report: {folder / 'report.html'}" in told.out
    assert f"MLflow: {uri}" in told.out
    assert run("report", "local", "--store", elsewhere.root, "--out", tmp_path / "direct").code == 0
    assert arm_cells(folder) == arm_cells(tmp_path / "direct")
    assert len(arm_cells(folder)) == 2


def test_an_mlflow_that_cannot_be_read_is_reported_without_secrets(run: Run, tmp_path: Path) -> None:
    away = run("report", "local", "--tracking-uri", "http://ann:s3cret@127.0.0.1:9", "--json")
    assert (away.code, away.out) == (2, "")
    assert away.err == "radsweep: MLflow at http://127.0.0.1:9 cannot be reached\n"
    assert "no longer tracks to folders" in run("report", "local", "--tracking-uri", "mlruns").err
