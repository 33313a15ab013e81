"""Real sweeps with Ray, an MLflow database and the phantom, from an experiment file to the report."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import optuna
import pytest
import ray
from sklearn.metrics import roc_auc_score

from radsweep.cluster import trial_capacity
from radsweep.config.load import load_experiment, parse_experiment
from radsweep.config.trial import Trial
from radsweep.config.tune import Tune
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.loading.stream import prepare_data
from radsweep.data.phantom import write_phantom
from radsweep.data.shards.dataset import read_manifest
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import FIRST_TUNING_START
from radsweep.sweep.preparation.image_memory import decoded_bytes
from radsweep.sweep.progress.status import PROGRESS, Progress
from radsweep.sweep.run import run_sweep
from radsweep.tracking.address import tracking_uri
from radsweep.training.saved_model import load_checkpoint
from radsweep.training.trainer import train

pytestmark = pytest.mark.usefixtures("ray_session")

ARMS = {"baseline": {}, "sentences": {"augment.text.sentences": "sample"}, "local": {"objective.local.weight": 1.0}}


def sweep(phantom: Path, store: Path, resume: bool = False, **parts: Any) -> tuple[SweepRecord, dict[str, CellRecord]]:
    tree: dict[str, Any] = {
        "experiment": "end-to-end",
        "data": {"shards": str(phantom)} | ({} if parts.get("ablation", {}).get("pairs") else {"pairs": 40}),
        "model": {"image": {"size": 32}, "dim": 32},
        "train": {"until": "steps", "steps": 6, "batch_size": 16, "learning_rate": 1e-3},
        "evaluate": {"every_steps": 3},
        "run": {"store": str(store), "slots": 1},
    }
    for name, part in parts.items():
        tree[name] = tree.get(name, {}) | part
    record = run_sweep(parse_experiment(tree, "test.yaml"), resume)
    return record, Store(store).read_cells({cell.key for cell in record.cells})


def mlflow_runs(store: Store, record: SweepRecord) -> list[Any]:
    client = mlflow.MlflowClient(tracking_uri(None, store.root))
    experiment = client.get_experiment_by_name(record.name)
    found = client.search_runs([experiment.experiment_id], f"tags.`radsweep.sweep` = '{record.id}'", max_results=100)
    return list(found)


@pytest.fixture(scope="module")
def ablation(phantom: Path, short_folder: Path) -> tuple[Path, SweepRecord, dict[str, CellRecord]]:
    store = short_folder / "ablation"
    return store, *sweep(phantom, store, ablation={"arms": ARMS, "pairs": [20, 40], "seeds": 2})


def test_every_cell_of_an_ablation_finishes_and_reads_the_test_split(ablation: Any) -> None:
    _, record, cells = ablation
    assert record.status == "finished"
    assert len(record.cells) == len(cells) == 12
    for planned in record.cells:
        cell = cells[planned.key]
        assert (cell.status, cell.pairs, cell.steps) == ("finished", planned.pairs, 6)
        assert cell.final["test/text_to_image/recall_at_10"] >= 0


def test_tasks_sets_and_public_models_of_a_sweep(phantom: Path, public_model: Path, short_folder: Path) -> None:
    other = short_folder / "labelled"
    write_phantom(other, pairs=40, size=32, validation=20, test=20, unpaired_images=0, unpaired_reports=0)
    manifest = other / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"name": "phantom', '"name": "other'))
    evaluate = {
        "tasks": ["retrieval", "zero_shot", "linear_probe"],
        "zero_shot": {"prompts": "phantom"},
        "linear_probe": {"fractions": [1.0]},
        "sets": [str(other)],
        "public_models": [str(public_model)],
    }
    store = Store(short_folder / "tasks")
    arms = {"baseline": {}, "sentences": {"augment.text.sentences": "sample"}}
    record, cells = sweep(phantom, store.root, ablation={"arms": arms}, evaluate=evaluate)
    assert record.status == "finished"
    other_name = read_manifest(other).name
    for key, cell in cells.items():
        results = store.read_queries(key)
        assert results is not None
        assert np.mean(results.ranks["text_to_image"] <= 10) == cell.final["test/text_to_image/recall_at_10"]
        auroc = roc_auc_score(results.labels["effusion"], results.scores["zero_shot"]["effusion"])
        assert auroc == cell.final["test/zero_shot/effusion/auroc"]
        assert f"test/{other_name}/linear_probe/100_percent/auroc" in cell.final
    (reference,) = record.references
    measured = store.read_cell(reference.key)
    assert measured is not None
    assert measured.status == "finished"
    assert reference.arm == public_model.name
    page = (store.sweep_folder(record.id) / "report" / "report.html").read_text()
    table = page[page.index("Public models on the same test split") :]
    assert f"<td>{public_model.name}" in table or f">{public_model.name}<" in table
    assert set(measured.final) == set(cell.final)
    runs = mlflow.MlflowClient(tracking_uri(None, store.root))
    experiment = runs.get_experiment_by_name("end-to-end")
    assert experiment is not None
    (run,) = runs.search_runs([experiment.experiment_id], "tags.`radsweep.role` = 'reference'")
    assert run.data.metrics["final/zero_shot/auroc"] == measured.final["test/zero_shot/auroc"]


def test_every_image_is_decoded_once_for_all_trials(ablation: Any, phantom: Path) -> None:
    _, record, _ = ablation
    index = read_index(phantom)
    held_out = index.splits["validation"].images + index.splits["test"].images
    assert held_out < record.cost["images_decoded"] <= held_out + index.splits["train"].images


def test_a_single_trial_gives_the_numbers_of_that_trial_in_a_sweep(ablation: Any, phantom: Path) -> None:
    _, _, cells = ablation
    tokenizer = next(iter((ablation[0] / "tokenizers").iterdir())).read_text()
    data = prepare_in_process(read_index(phantom), tokenizer, 32, 1)
    for cell in list(cells.values())[::5]:
        alone = train(Trial.model_validate(cell.trial), data, read_test=True)
        assert alone.best == cell.best
        assert alone.final == cell.final


def test_mlflow_has_a_parent_and_a_finished_child_for_each_cell(ablation: Any) -> None:
    store, record, cells = ablation
    client = mlflow.MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("end-to-end")
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert [run.info.status for run in runs] == ["FINISHED"] * 13
    assert sorted((run.data.params["arm"], run.data.params["pairs"]) for run in children) == sorted(
        (cell.arm, str(cell.pairs)) for cell in record.cells
    )
    for run in children:
        cell = cells[run.data.tags["radsweep.cell"]]
        assert run.data.metrics["best/text_to_image/recall_at_10"] == cell.best["val/text_to_image/recall_at_10"]
    artifacts = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "experiment.yaml", "best.yaml", "winner"} <= artifacts
    best = parent.data.tags["radsweep.best"]
    assert best in {run.info.run_name for run in children if run.data.params["pairs"] == "40"}
    assert ("candidate.yaml" in artifacts) == (parent.data.tags["radsweep.candidate"] != "none")


def test_the_report_and_the_winners_checkpoint_are_in_the_store(ablation: Any) -> None:
    store, record, _ = ablation
    folder = store / "sweeps" / record.id / "report"
    assert "<html" in (folder / "report.html").read_text()
    assert (folder / "winner" / "model.safetensors").exists()
    best = load_experiment(folder / "best.yaml").trial()
    assert load_checkpoint(folder / "winner")[1] == best, "one trial, in both"
    named = sum((folder / name).exists() for name in ("best.yaml", "candidate.yaml"))
    assert len(list(store.glob("cells/*/checkpoint"))) == named
    told = Progress.model_validate_json((store / "sweeps" / record.id / PROGRESS).read_text())
    assert (told.done, told.total, told.counts["finished"], told.running) == (12, 12, 12, {})


@pytest.fixture(scope="module")
def wider(ablation: Any, phantom: Path) -> tuple[SweepRecord, dict[str, CellRecord]]:
    """The same ablation with two more arms, one of which needs two workers."""
    arms = {
        "both": {"augment.text.sentences": "sample", "objective.local.weight": 1.0},
        "two workers": {"objective.local.weight": 1.0, "train.workers": 2},
    }
    return sweep(phantom, ablation[0], ablation={"arms": ARMS | arms, "pairs": [20, 40], "seeds": 2})


def test_finished_cells_are_never_run_again(ablation: Any, wider: Any) -> None:
    first, (again, cells) = ablation[1], wider
    assert (again.status, again.cost["trials_reused"], again.cost["trials_run"]) == ("finished", 12, 8)
    assert {cell.key for cell in first.cells} < set(cells)
    assert {cell.arm for cell in again.cells if cells[cell.key].sweep == again.id} == {"both", "two workers"}


def test_two_workers_in_a_slot_give_the_numbers_of_one(wider: Any) -> None:
    """The arms of this sweep also reserve different resources."""
    record, cells = wider
    found = {(c.arm, c.pairs, c.subset_seed, c.init_seed): cells[c.key] for c in record.cells}
    compared = 0
    for (arm, *rest), cell in found.items():
        assert cell.workers == (2 if arm == "two workers" else 1)
        if arm == "two workers":
            for mine, theirs in zip(cell.history, found["local", *rest].history, strict=True):
                assert mine.metrics["train/loss"] == pytest.approx(theirs.metrics["train/loss"], abs=1e-4)
                compared += 1
    assert compared == 8


def test_a_resumed_sweep_runs_nothing_again_on_a_machine_with_less_free_memory(
    ablation: Any, phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, record, _ = ablation
    free = 1.5 * decoded_bytes([parse_experiment(record.experiment, "test.yaml").trial()], read_index(phantom))
    less = [node._replace(store=free) for node in trial_capacity.nodes()]
    monkeypatch.setattr(trial_capacity, "nodes", lambda: less)
    resumed, _ = sweep(phantom, store, resume=True, ablation={"arms": ARMS, "pairs": [20, 40], "seeds": 2})
    assert (resumed.id, resumed.cost["trials_run"]) == (record.id, 0)


def test_a_failing_trial_leaves_the_slot_usable(phantom: Path, short_folder: Path) -> None:
    space = {"train.learning_rate": {"choice": [1e30, 1e-3]}}
    record, cells = sweep(phantom, short_folder / "failing", search={"algorithm": "grid", "space": space})
    first, second = (cells[cell.key] for cell in record.cells)
    assert first.status == "failed"
    assert "lower train.learning_rate" in (first.error or "")
    assert second.status == "finished"
    assert record.status == "finished"


SEARCH = {
    "algorithm": "random",
    "trials": 6,
    "scheduler": "asha",
    "grace_period": 1,
    "reduction_factor": 2,
    "space": {"train.learning_rate": {"loguniform": [1e-6, 1e-2]}, "objective.local.weight": {"uniform": [0, 1]}},
}


def test_a_search_stops_weak_trials_and_reads_the_test_split_only_for_its_winner(
    phantom: Path, short_folder: Path
) -> None:
    store = short_folder / "search"
    record, cells = sweep(phantom, store, search=SEARCH, train={"steps": 12})
    assert len(record.cells) == len(cells) == 6
    assert {cell.status for cell in cells.values()} == {"finished", "stopped"}
    read = [cell for cell in cells.values() if cell.final]
    finished = [cell for cell in cells.values() if cell.status == "finished"]
    best = max(cell.best["val/text_to_image/recall_at_10"] for cell in finished)
    assert [cell.best["val/text_to_image/recall_at_10"] for cell in read] == [best]
    report = json.loads((store / "sweeps" / record.id / "report" / "report.json").read_text())
    assert report["report"]
    assert record.ended_by == "search.trials: all 6 were used"
    study = optuna.load_study(study_name=record.id, storage=f"sqlite:///{store / 'sweeps' / record.id / 'optuna.db'}")
    told = {"finished": optuna.trial.TrialState.COMPLETE, "stopped": optuna.trial.TrialState.PRUNED}
    assert [trial.state for trial in study.trials] == [told[cells[cell.key].status] for cell in record.cells]


def test_the_best_of_few_pairs_are_promoted_to_more(phantom: Path, short_folder: Path) -> None:
    space = {"train.learning_rate": {"loguniform": [1e-6, 1e-2]}}
    search = {
        "trials": 4,
        "scheduler": "asha",
        "fidelity": "pairs",
        "min_pairs": 10,
        "reduction_factor": 2,
        "space": space,
    }
    record, cells = sweep(phantom, short_folder / "halving", search=search | {"algorithm": "random"})
    assert [cell.pairs for cell in record.cells] == [10] * 4 + [20] * 2 + [40]
    assert [cells[cell.key].pairs for cell in record.cells] == [10] * 4 + [20] * 2 + [40]
    assert [cell.key for cell in record.cells if cells[cell.key].final] == [record.cells[-1].key]
    assert record.status == "finished"


def test_streamed_from_the_shards_a_trial_sees_the_same_samples_and_repeats_itself(
    ablation: Any, phantom: Path, short_folder: Path
) -> None:
    cached = next(cell for cell in ablation[2].values() if cell.pairs == 40)
    seeds = {"data": {"source": "streamed", "seed": cached.trial["data"]["seed"]}, "train": {"steps": 4}}
    store = Store(short_folder / "streamed")
    ((key, swept),) = sweep(phantom, store.root, **seeds)[1].items()
    assert swept.trial["data"]["source"] == "streamed"
    assert swept.subset_sha256 == cached.subset_sha256
    assert key != cached.key
    tokenizer = next((store.root / "tokenizers").iterdir()).read_text()
    data = prepare_data(read_index(phantom), tokenizer, 32, 1, {}, streamed=True).materialise(ray.get)
    alone = train(Trial.model_validate(swept.trial), data, read_test=True)
    assert (alone.best, alone.final) == (swept.best, swept.final)
    assert [v.metrics["train/loss"] for v in alone.history] == [v.metrics["train/loss"] for v in swept.history]


def test_fair_tuning(phantom: Path, short_folder: Path) -> None:
    store = Store(short_folder / "tuned")
    arms = {"baseline": {}, "sentences": {"augment.text.sentences": "sample"}, "local": {"objective.local.weight": 1.0}}
    space = {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}
    own = {"local": {"objective.local.weight": {"uniform": [0.1, 1]}}}
    # One point was run before, by a trial that read the test split: none of that may show.
    design: dict[str, Any] = {"arms": arms, "seeds": 2, "tune": {"trials": 3, "space": space, "per_arm": own}}
    point = Tune.model_validate(design["tune"]).points("baseline", {}, replicate=0)[1]
    start = {"train.seed": FIRST_TUNING_START, "data.seed": 1}
    before, _ = sweep(phantom, store.root, ablation={"arms": {"the point": point | start}})
    record, cells = sweep(phantom, store.root, ablation=design)
    assert record.status == "finished"
    assert record.cost["trials_reused"] == 1
    assert [len([c for c in record.tuning if c.arm == arm]) for arm in arms] == [6, 6, 6]
    assert {(c.tuning_replicate, c.subset_seed) for c in record.tuning} == {(0, 1), (1, 2)}
    assert sorted({(c.subset_seed, c.init_seed) for c in record.cells}) == [(1, 1), (2, 2)]
    assert len(record.cells) == 6
    assert all(cells[cell.key].final for cell in record.cells)
    tuned = store.read_records(record)
    assert not any(tuned[cell.key].final or "test/candidates" in tuned[cell.key].pool for cell in record.tuning)
    for arm in arms:
        for final in (c for c in record.cells if c.arm == arm):
            own = [c for c in record.tuning if c.arm == arm and c.tuning_replicate == final.tuning_replicate]
            scores = {c.number: tuned[c.key].best[record.select] for c in own}
            best = min(n for n, score in scores.items() if score == max(scores.values()))
            chosen = next(c.tuned for c in own if c.number == best)
            assert final.tuned == chosen
            assert cells[final.key].trial["train"]["learning_rate"] == chosen["train.learning_rate"]
    page = (store.report_folder(record) / "report.html").read_text()
    assert "Every arm was tuned at every size and in each replicate with 3 trials of its own" in page

    runs = [run for run in mlflow_runs(store, record) if run.data.tags["radsweep.role"] in ("trial", "tuning")]
    by_role: dict[tuple[str, str], int] = defaultdict(int)
    for run in runs:
        by_role[run.data.tags["radsweep.role"], run.data.params["arm"]] += 1
        tested = any(name.startswith("final/") for name in run.data.metrics)
        assert tested == (run.data.tags["radsweep.role"] == "trial")
    assert by_role == {(role, arm): number for role, number in (("tuning", 6), ("trial", 2)) for arm in arms}
    (reused,) = [run for run in runs if run.data.tags.get("radsweep.reused_from")]
    assert reused.data.tags["radsweep.reused_from"] == before.id

    again, _ = sweep(phantom, store.root, ablation=design)
    assert again.cost["trials_run"] == 0
    assert [cell.key for cell in again.cells] == [cell.key for cell in record.cells]


@pytest.mark.slow
def test_an_arm_whose_tuning_all_failed_is_left_out_and_the_sweep_ends(phantom: Path, short_folder: Path) -> None:
    store = Store(short_folder / "left-out")
    arms = {"baseline": {}, "local": {"objective.local.weight": 1.0}}
    space = {"train.learning_rate": {"choice": [1e-3]}}  # two points, one trial
    own = {"local": {"train.learning_rate": {"choice": [1e30]}}}
    design = {"arms": arms, "seeds": 1, "tune": {"trials": 2, "space": space, "per_arm": own}}
    for reused in (0, 2):
        record, _ = sweep(phantom, store.root, ablation=design)
        assert record.status == "finished"
        assert [cell.arm for cell in record.cells] == ["baseline"]
        (note,) = record.notes
        assert note.startswith("local at 40 pairs is left out: none of its 2 tuning trials finished. The first: ")
        assert "lower train.learning_rate" in note
        assert "local at 40 pairs is left out" in (store.report_folder(record) / "report.html").read_text()
        progress = Progress.model_validate_json((store.sweep_folder(record.id) / PROGRESS).read_bytes())
        assert (progress.done, progress.total) == (3, 3)
        assert record.cost["trials_reused"] == reused


@pytest.mark.slow
def test_a_repeated_search_is_answered_from_its_records(phantom: Path, short_folder: Path) -> None:
    store = short_folder / "search-again"
    first, cells = sweep(phantom, store, search=SEARCH, train={"steps": 12})
    again, _ = sweep(phantom, store, search=SEARCH, train={"steps": 12})
    finished = sum(cell.status == "finished" for cell in cells.values())
    assert again.id != first.id
    assert again.cost["trials_reused"] >= finished > 0
    assert {cell.key for cell in again.cells} == set(cells)


@pytest.mark.slow
def test_fresh_runs_finished_trials_again(phantom: Path, short_folder: Path) -> None:
    store = short_folder / "fresh"
    first, before = sweep(phantom, store)
    tree = first.experiment | {"run": {"store": str(store), "slots": 1}}
    fresh = run_sweep(parse_experiment(tree, "test.yaml"), fresh=True)
    after = Store(store).read_records(fresh)
    assert fresh.cost["trials_run"] == 1
    assert {key: r.final for key, r in after.items()} == {key: r.final for key, r in before.items()}
    assert all(after[key].ended > before[key].ended and after[key].sweep == fresh.id for key in before)
