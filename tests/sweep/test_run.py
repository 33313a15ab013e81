"""The end of a sweep, without running one: from the records in the store to the report and the numbers for MLflow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from mlflow import MlflowClient

from radsweep.config.load import load_experiment, parse_experiment
from radsweep.evaluation.queries import QUERIES, QueryResults, write_queries
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.run import finish
from radsweep.tracking.mirror import Mirror

METRIC = "text_to_image/recall_at_10"


def test_the_report_uses_the_results_of_each_query_and_the_stages_in_the_store(tmp_path: Path) -> None:
    store, cells = Store(tmp_path), []
    rng = np.random.default_rng(0)
    studies = tuple(f"s{n:02}" for n in range(60))
    for arm, hits in {"baseline": (12, 15, 13), "adapted": (24, 27, 26)}.items():
        for seed, hit in enumerate(hits):
            key = f"{arm}{seed}"
            ranks = np.where(rng.permutation(60) < hit, 3.0, 40.0)
            store.write_cell(
                CellRecord(
                    key=key, trial={}, status="finished", pairs=100, convergence="converged",
                    best={f"val/{METRIC}": hit / 60},
                    final={f"test/{METRIC}": hit / 60}, steps=50, seconds={"total": 10.0}, pool={"test/candidates": 60},
                    stages={"image": "stage"} if arm == "adapted" else {},
                )
            )  # fmt: skip
            results = QueryResults(studies, studies, {"text_to_image": ranks}, {"text_to_image": np.full(60, 59.0)})
            write_queries(store.cell_folder(key) / QUERIES, results)
            cells.append(PlannedCell(key=key, arm=arm, pairs=100, subset_seed=seed, number=len(cells)))
    store.write_stage(CellRecord(key="stage", trial={}, status="finished", steps=100, seconds={"total": 30.0}))
    sweep = SweepRecord(
        id="x",
        name="x",
        kind="ablation",
        experiment={},
        select=f"val/{METRIC}",
        cells=tuple(cells),
        baseline="baseline",
    )
    folder, statistics, *_ = finish(store, sweep)
    name = f"arm/adapted/100/test/{METRIC}"
    assert statistics[f"{name}/difference"] == pytest.approx((77 - 40) / 180)
    assert statistics[f"{name}/difference_low"] < (77 - 40) / 180 < statistics[f"{name}/difference_high"]
    assert statistics[f"{name}/p_adjusted"] < 0.05
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "Compute: 4.0 × the baseline's time and 3.0 × its optimiser steps, adaptation included." in text
    assert (folder / "figures" / "forest.svg").is_file()


def _queries(score: float) -> QueryResults:
    """A hundred queries, the easiest of which are hits."""
    names = tuple(f"q{n:02}" for n in range(100))
    rank_Q = np.where(np.arange(100) < round(100 * score), 1.0, 50.0)
    return QueryResults(names, names, {"text_to_image": rank_Q}, {"text_to_image": np.full(100, 99.0)})


def ablation(store: Store, scores: dict[str, list[float]], trial: dict[str, Any], **sweep: Any) -> SweepRecord:
    """Store an ablation of {arm: [score of each replicate]}; a new trial has a checkpoint that names it."""
    cells = []
    for arm, values in scores.items():
        for seed, score in enumerate(values):
            key = f"{arm}-{seed}"
            of = trial | {
                "data": trial["data"] | {"seed": seed},
                "train": trial["train"] | {"weight_decay": len(cells)},
            }
            new = store.read_cell(key) is None
            store.write_cell(
                CellRecord(
                    key=key, trial=of, status="finished", pairs=100, convergence="converged",
                    best={f"val/{METRIC}": score},
                    final={f"test/{METRIC}": score}, pool={"test/candidates": 60}, data="d",
                )
            )  # fmt: skip
            write_queries(store.cell_folder(key) / QUERIES, _queries(score))
            if new:
                folder = store.cell_folder(key) / "checkpoint"
                folder.mkdir()
                (folder / "model.safetensors").write_text(key)
                (folder / "state.json").write_text(json.dumps({"trial": of, "tokenizer": "", "data": "d"}))
            cells.append(PlannedCell(key=key, arm=arm, pairs=100, subset_seed=seed, number=len(cells)))
    plain = {"id": "x", "name": "x", "kind": "ablation", "experiment": {}, "status": "finished"}
    record = SweepRecord.model_validate(
        plain | {"select": f"val/{METRIC}", "cells": tuple(cells), "baseline": "baseline"} | sweep
    )
    store.write_sweep(record)
    return record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def uri(store: Store, template: Path) -> str:
    shutil.copy(template, store.root / "mlflow.db")
    return f"sqlite:///{store.root / 'mlflow.db'}"


@pytest.fixture
def trial() -> dict[str, Any]:
    tree = {"experiment": "x", "data": {"shards": "phantom:easy", "pairs": 100}}
    return parse_experiment(tree, "test.yaml").trial().model_dump(mode="json")


class Answers(NamedTuple):
    """The best trial and the candidate according to each output, as keys of trials or as their names in MLflow."""

    winner: str | None
    best: str | None
    candidate: str | None
    mlflow: tuple[str, str]


def answers(store: Store, sweep: SweepRecord, uri: str) -> Answers:
    """End the sweep as `run_sweep` does, and read every output."""
    with Mirror(uri, store.root, sweep) as mirror:
        mirror.start_sweep()
        done = finish(store, sweep)
        mirror.finish_sweep(sweep, {}, done.folder, (), done.selection.recommended, done.selection.candidate)
    assert mirror.pending == 0
    records = store.read_records(sweep)

    def trial_of(name: str) -> str | None:
        file = done.folder / name
        if not file.exists():
            return None
        decay = load_experiment(file).train.weight_decay
        return next(key for key, record in records.items() if record.trial["train"]["weight_decay"] == decay)

    weights = done.folder / "winner" / "model.safetensors"
    found = Answers(
        weights.read_text() if weights.exists() else None,
        trial_of("best.yaml"),
        trial_of("candidate.yaml"),
        _of_mlflow(uri, done.folder),
    )
    assert done.winner_kept == (found.winner == found.best)
    return found


def _of_mlflow(uri: str, report: Path) -> tuple[str, str]:
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("x").experiment_id])
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names & {"best.yaml", "candidate.yaml", "winner"} == {
        name for name in ("best.yaml", "candidate.yaml", "winner") if (report / name).exists()
    }
    return run.data.tags["radsweep.best"], run.data.tags["radsweep.candidate"]


BASE = [0.12, 0.14, 0.13]


def test_a_lucky_replicate_is_best_nowhere(store: Store, uri: str, trial: dict[str, Any]) -> None:
    scores = {"baseline": BASE, "lucky": [0.10, 0.50, 0.10], "steady": [0.40, 0.42, 0.41]}
    found = answers(store, ablation(store, scores, trial), uri)
    assert found == Answers("steady-0", "steady-0", None, ("steady / 100 pairs / seed 0", "none"))


def test_a_baseline_that_is_kept_is_best_everywhere_until_more_replicates_decide(
    store: Store, uri: str, trial: dict[str, Any]
) -> None:
    sweep = ablation(store, {"baseline": BASE[:2], "local": [0.4, 0.42]}, trial, status="interrupted")
    kept = Answers(
        "baseline-0", "baseline-0", "local-0", ("baseline / 100 pairs / seed 0", "local / 100 pairs / seed 0")
    )
    assert answers(store, sweep, uri) == kept
    folder = store.report_folder(sweep)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "Keep baseline for now: local had the best mean on the validation split at 100 pairs" in text
    assert "best.yaml runs baseline at 100 pairs; candidate.yaml runs local, which is not recommended." in text

    waiting = {folder.parent.name for folder in store.root.glob("cells/*/checkpoint")}
    assert waiting == {"baseline-0", "local-0"}, "the rest of the sweep decides between them"
    sweep = ablation(store, {"baseline": BASE, "local": [0.4, 0.42, 0.41]}, trial)
    found = answers(store, sweep, uri)
    assert found == Answers("local-0", "local-0", None, ("local / 100 pairs / seed 0", "none"))
    assert "candidate" not in (folder / "report.md").read_text(encoding="utf-8").replace("candidates", "")


def test_a_recommended_trial_without_its_checkpoint_leaves_no_other_winner(
    store: Store, uri: str, trial: dict[str, Any]
) -> None:
    assert answers(store, ablation(store, {"baseline": BASE, "local": [0.1] * 3}, trial), uri).winner == "baseline-0"
    sweep = ablation(store, {"baseline": BASE, "local": [0.4, 0.42, 0.41]}, trial)
    assert not (store.cell_folder("local-0") / "checkpoint").exists(), "the first sweep removed it"
    found = answers(store, sweep, uri)
    assert (found.winner, found.best) == (None, "local-0")


def test_a_sweep_in_which_nothing_finished_has_no_best_trial(store: Store, uri: str, trial: dict[str, Any]) -> None:
    sweep = ablation(store, {"baseline": BASE, "local": BASE}, trial, status="failed")
    assert answers(store, sweep, uri).best == "baseline-0"
    for cell in sweep.cells:
        record = store.read_cell(cell.key)
        assert record is not None
        store.write_cell(record.model_copy(update={"status": "failed"}))
    assert answers(store, sweep, uri) == Answers(None, None, None, ("none", "none"))
