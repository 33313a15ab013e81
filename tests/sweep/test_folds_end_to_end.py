"""A cross-validated sweep with Ray, MLflow and the phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest

from radsweep.config.load import parse_experiment
from radsweep.data.loading.decode import read_index
from radsweep.data.loading.folds import fold_of
from radsweep.report.analysis.results import join
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.evaluate import evaluate_model
from radsweep.sweep.run import run_sweep

pytestmark = pytest.mark.usefixtures("ray_session")

TEST = "test/text_to_image/recall_at_10"
STILL = {f"augment.image.{name}": 0.0 for name in ("affine", "brightness", "contrast", "noise")}
ARMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "adapted": {"adapt.text.method": "mlm"},
    "frozen": STILL | {"augment.image.crop": [1.0, 1.0], "model.image.freeze": True},
}


@pytest.fixture(scope="module")
def validated(phantom: Path, short_folder: Path) -> tuple[Path, SweepRecord, dict[str, CellRecord]]:
    store = short_folder / "folds"
    tree: dict[str, Any] = {
        "experiment": "folds",
        "data": {"shards": str(phantom), "folds": 3, "pairs": 20},
        "model": {"image": {"size": 32}, "dim": 32},
        "adapt": {"text": {"steps": 2, "batch_size": 16}},
        "train": {"until": "steps", "steps": 4, "batch_size": 16, "learning_rate": 1e-3},
        "evaluate": {"every_steps": 2},
        "run": {"store": str(store), "slots": 1},
        "ablation": {"arms": ARMS},
    }
    record = run_sweep(parse_experiment(tree, "test.yaml"))
    return store, record, Store(store).read_cells({cell.key for cell in record.cells})


def test_every_fold_finishes_on_its_own_pool(validated: Any, phantom: Path) -> None:
    _, record, cells = validated
    assert record.status == "finished"
    assert len(record.cells) == len(cells) == 9
    index = read_index(phantom)
    for planned in record.cells:
        fold = fold_of(index, 3, planned.fold)
        assert cells[planned.key].status == "finished"
        assert cells[planned.key].pairs == 20
        assert cells[planned.key].pool["test/queries"] == len(fold.splits["test"])
        assert cells[planned.key].trial["data"]["source"] == "cached"


def test_every_pair_is_a_query_once_and_every_image_decoded_once(validated: Any, phantom: Path) -> None:
    _, record, cells = validated
    splits = read_index(phantom).splits.values()
    for arm in ARMS:
        queries = [cells[cell.key].pool["test/queries"] for cell in record.cells if cell.arm == arm]
        assert sum(queries) == sum(map(len, splits))
    assert record.cost["images_decoded"] == sum(split.images for split in splits)


def test_each_fold_has_its_own_stage(validated: Any, phantom: Path) -> None:
    store, record, cells = validated
    assert sorted(stage.stage for stage in record.stages) == ["image features"] * 3 + ["text"] * 3
    index = read_index(phantom)
    for cell in record.cells:
        for name, key in cells[cell.key].stages.items():
            stage, splits = Store(store).read_stage(key), fold_of(index, 3, cell.fold).splits
            assert stage is not None
            assert stage.trial["fold"] == {"folds": 3, "fold": cell.fold}
            images = sum(split.images for split in splits.values())
            assert stage.pairs == (len(splits["train"]) if name == "text" else images)


def test_the_report_pools_the_folds(validated: Any) -> None:
    store, record, cells = validated
    results = join(record, cells)
    assert [(result.planned.arm, result.status) for result in results.all] == [(arm, "finished") for arm in ARMS]
    baseline = [cells[cell.key] for cell in record.cells if cell.arm == "baseline"]
    hits = sum(cell.final[TEST] * cell.pool["test/queries"] for cell in baseline)
    assert results.all[0].value(TEST) == pytest.approx(hits / sum(cell.pool["test/queries"] for cell in baseline))
    text = (Store(store).sweep_folder(record.id) / "report" / "report.md").read_text(encoding="utf-8")
    assert "3-fold cross-validation" in text


def test_mlflow_has_a_run_for_each_fold(validated: Any) -> None:
    store, record, _ = validated
    client = mlflow.MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("folds")
    runs = client.search_runs([experiment.experiment_id], "tags.`radsweep.role` = 'trial'")
    assert sorted(run.info.run_name for run in runs) == sorted(
        f"{cell.arm} / 20 pairs / seed 0 / fold {cell.fold}" for cell in record.cells
    )
    assert sorted(run.data.params["fold"] for run in runs) == ["0"] * 3 + ["1"] * 3 + ["2"] * 3


def test_the_winners_checkpoint_is_measured_on_its_own_folds_test_patients(validated: Any, phantom: Path) -> None:
    store, record, cells = validated
    folder = Store(store).sweep_folder(record.id) / "report" / "winner"
    found = evaluate_model(str(folder), phantom, "test", {})
    first = [cells[cell.key] for cell in record.cells if cell.fold == 0]
    assert found["candidates"] == first[0].pool["test/queries"]
    assert found["metrics"][TEST]["value"] in {cell.final[TEST] for cell in first}
