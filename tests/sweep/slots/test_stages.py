"""Adaptation stages in sweeps: computed once for all trials, resumed after a kill, linked in MLflow."""

from __future__ import annotations

import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import mlflow
import pytest

from radsweep.config.load import parse_experiment
from radsweep.data.phantom import write_phantom
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.run import run_sweep
from support.processes import start, wait
from support.stage_process import main


def wait_for(path: Path, process: BaseProcess) -> None:
    while not path.exists():
        assert process.exitcode is None, "it ended early"
        time.sleep(0.05)


def test_one_of_two_processes_computes_a_stage_and_the_other_continues_it_after_a_kill(tmp_path: Path) -> None:
    first = start(main, tmp_path, "first")
    wait_for(tmp_path / "first.started", first)
    second = start(main, tmp_path, "second")
    wait_for(tmp_path / "stages" / "stage" / "resume" / "state.json", first)
    first.kill()  # -9, in the middle
    assert (wait(first), wait(second)) == (-signal.SIGKILL, 0)
    assert (tmp_path / "second.got").read_text() == "finished 300"
    assert int((tmp_path / "second.started").read_text()) > 5  # it resumed from the first one's checkpoint
    assert wait(start(main, tmp_path, "third")) == 0
    assert (tmp_path / "third.got").read_text() == "finished 300"
    assert not (tmp_path / "third.started").exists()  # found, not computed


@pytest.fixture(scope="module")
def pool(short_folder: Path) -> Path:
    folder = short_folder / "phantom-with-pool"
    write_phantom(folder, pairs=40, size=32, validation=40, test=40, unpaired_images=60, unpaired_reports=50)
    return folder


def sweep(shards: Path, store: Path, arms: dict[str, dict[str, Any]]) -> tuple[SweepRecord, dict[str, CellRecord]]:
    tree: dict[str, Any] = {
        "experiment": "adapted",
        "data": {"shards": str(shards), "pairs": 20},
        "model": {"image": {"size": 32}, "dim": 32},
        "adapt": {
            "image": {"steps": 3, "batch_size": 16, "hidden": 32, "dim": 16},
            "text": {"steps": 3, "batch_size": 16},
        },
        "train": {"until": "steps", "steps": 4, "batch_size": 16, "learning_rate": 1e-3},
        "run": {"store": str(store), "slots": 2},
        "ablation": {"arms": arms, "seeds": 2},
    }
    record = run_sweep(parse_experiment(tree, "test.yaml"))
    return record, Store(store).read_cells({cell.key for cell in record.cells})


ARMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "image": {"adapt.image.method": "simclr"},
    "both": {"adapt.image.method": "simclr", "adapt.text.method": "mlm"},
}


@pytest.fixture(scope="module")
def adapted(ray_session: None, pool: Path, short_folder: Path) -> tuple[Path, SweepRecord, dict[str, CellRecord]]:
    store = short_folder / "adapted"
    return store, *sweep(pool, store, ARMS)


def test_a_stage_runs_once_for_all_its_trials(adapted: Any, pool: Path) -> None:
    store, record, cells = adapted
    assert record.status == "finished"
    assert sorted(stage.stage for stage in record.stages) == ["image", "text"]
    keys = {stage.stage: stage.key for stage in record.stages}
    for planned in record.cells:
        expected = {"baseline": [], "image": ["image"], "both": ["image", "text"]}[planned.arm]
        assert cells[planned.key].stages == {name: keys[name] for name in expected}
    image, text = (Store(store).read_stage(keys[name]) for name in ("image", "text"))
    assert image is not None
    assert text is not None
    assert (image.status, image.steps, text.status, text.steps) == ("finished", 3, "finished", 3)
    assert text.pairs == 40 + 50  # reports of the training split and its pool
    assert image.pairs > 40 + 60  # some studies have two images


STILL = {f"augment.image.{name}": 0.0 for name in ("affine", "brightness", "contrast", "noise")}
LATER: dict[str, dict[str, Any]] = {
    "sampled": {"adapt.image.method": "simclr", "augment.text.sentences": "sample"},
    "frozen": STILL | {"augment.image.crop": [1.0, 1.0], "model.image.freeze": True, "adapt.image.method": "simclr"},
    "together": {"adapt.text.method": "mlm", "model.text.freeze": True, "train.workers": 2},
}


@pytest.fixture(scope="module")
def later(adapted: Any, pool: Path) -> tuple[SweepRecord, dict[str, list[CellRecord]]]:
    """A later sweep in the same store, and its records by arm."""
    record, cells = sweep(pool, adapted[0], {"baseline": {}} | LATER)
    assert record.status == "finished"
    return record, {arm: [cells[cell.key] for cell in record.cells if cell.arm == arm] for arm in LATER}


def stage_of(store: Path, cells: list[CellRecord], name: str) -> CellRecord:
    (key,) = {cell.stages[name] for cell in cells}
    record = Store(store).read_stage(key)
    assert record is not None
    return record


def test_a_later_sweep_finds_the_stage(adapted: Any, later: Any) -> None:
    store, before, _ = adapted
    record, by_arm = later
    assert (record.cost["trials_run"], record.cost["trials_reused"]) == (6, 2)
    assert record.cost["adaptation_reused_seconds"] > 0
    assert sorted(stage.stage for stage in record.stages) == ["image", "image features", "text", "text features"]
    for arm in ("sampled", "frozen"):
        image = stage_of(store, by_arm[arm], "image")
        assert image.key in {stage.key for stage in before.stages}
        assert image.sweep == before.id


def test_an_adapted_tower_that_is_frozen_and_sees_no_augmentation_runs_once(adapted: Any, later: Any) -> None:
    cells = later[1]["frozen"]
    assert all(list(cell.stages) == ["image", "image features"] for cell in cells)
    features = stage_of(adapted[0], cells, "image features")
    assert features.sweep == later[0].id
    assert features.pairs >= 3 * 40  # images of the pairs of all splits


def test_two_workers_compute_a_stage_together_and_start_from_it(adapted: Any, later: Any) -> None:
    """The same sweep has trials with one worker."""
    store, before, _ = adapted
    record, by_arm = later
    cells = by_arm["together"]
    assert all(cell.workers == 2 and sorted(cell.stages) == ["text", "text features"] for cell in cells)
    assert {cell.workers for arm in ("sampled", "frozen") for cell in by_arm[arm]} == {1}
    text = stage_of(store, cells, "text")
    assert (text.status, text.workers, text.sweep) == ("finished", 2, record.id)
    assert text.key not in {stage.key for stage in before.stages}


def test_mlflow_links_the_stage_from_the_trials_that_use_it(adapted: Any) -> None:
    store, record, _ = adapted
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("adapted")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`radsweep.sweep` = '{record.id}'")
    stages = {run.info.run_name: run for run in runs if run.data.tags["radsweep.role"] == "stage"}
    assert set(stages) == {"adapt image", "adapt text"}
    assert stages["adapt image"].data.params["adapt.method"] == "simclr"
    assert "best/loss" in stages["adapt text"].data.metrics
    both = [run for run in runs if run.data.params.get("arm") == "both"]
    assert len(both) == 2
    for run in both:
        for name in ("image", "text"):
            assert run.data.tags[f"radsweep.stage.{name}.run"] == stages[f"adapt {name}"].info.run_id
        assert f"runs/{stages['adapt image'].info.run_id}" in run.data.tags["mlflow.note.content"]


def test_the_report_names_the_data_that_towers_learnt_from(adapted: Any) -> None:
    store, record, _ = adapted
    text = (Store(store).sweep_folder(record.id) / "report" / "report.md").read_text(encoding="utf-8")
    assert "image tower adapted by simclr (image and both) learnt from all images of the training split" in text
    assert "adaptation of towers before trials" in text
