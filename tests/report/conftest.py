"""Synthetic sweeps for the report: the numbers are the test's own, so that every claim can be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_experiment, trial_with
from radsweep.config.training import Convergence
from radsweep.evaluation.queries import QueryResults
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord, Validation

SELECT = "val/text_to_image/recall_at_10"
Sweep = tuple[SweepRecord, dict[str, CellRecord]]
DATA: dict[str, Any] = {
    "name": "made-up",
    "fingerprint": "f" * 64,
    "studies": {"pairs": {"train": 3000, "validation": 400, "test": 400}},
    "patients": {"pairs": {"train": 1800, "validation": 240, "test": 241}},
    "images": {"pairs": {"train": 4120, "validation": 540, "test": 551}},
    "labels": ["effusion", "nodule"],
    "dropped": {"report is empty": 6, "image cannot be read": 1},
    "notes": ["12 studies share their report with another study"],
    "source": {"generator": "phantom", "version": 1, "difficulty": "standard"},
}


def record(
    key: str,
    trial: dict[str, Any],
    val: float,
    test: float | None = None,
    pairs: int = 300,
    convergence: Convergence = "converged",
    **others: Any,
) -> CellRecord:
    curve = [val * part for part in (0.35, 0.7, 0.9, 1.0, 0.98)]
    names = ("text_to_image", "image_to_text")
    ends = {"recall_at_1": 0.25, "recall_at_5": 0.7, "recall_at_10": 1.0}
    best = {f"val/{d}/{m}": round(val * k, 9) for d in names for m, k in ends.items()} | {
        f"val/{d}/median_rank": round(8 / val, 1) for d in names
    }
    final = {"test" + name[3:]: v * (test / val) for name, v in best.items()} if test is not None else {}
    chance = {f"{s}/{d}/recall_at_{k}": k / 400 for s in ("val", "test") for d in names for k in (1, 5, 10)}
    history = tuple(
        Validation(epoch=i + 1, step=20 * (i + 1), seconds=3.0 * i, metrics={SELECT: v, "train/loss": 4 - i})
        for i, v in enumerate(curve)
    )
    values: dict[str, Any] = {
        "status": "finished", "history": history, "best": best, "best_step": 80, "final": final, "chance": chance,
        "pool": {"val/queries": 400, "val/candidates": 400, "test/queries": 400, "test/candidates": 400},
        "steps": 100, "epochs": 5, "seconds": {"training": 30.0, "evaluation": 4.0}, "device": "cpu", "code": "c0de",
    }  # fmt: skip
    return CellRecord(key=key, trial=trial, pairs=pairs, convergence=convergence, **(values | others))


def experiment(**parts: Any) -> Experiment:
    return parse_experiment({"experiment": "made-up", "data": {"shards": "phantom:standard"}, **parts}, "test")


@pytest.fixture
def ablation() -> Callable[..., Sweep]:
    """make({arm: {size: [test value of each replicate]}}): arms differ in the local weight, finished, converged."""

    def make(
        numbers: Mapping[str, Mapping[int, Sequence[float]]],
        unconverged: Sequence[tuple[str, int, int]] = (),
        unknown: Sequence[tuple[str, int, int]] = (),
        name: str = "made-up",
        margin: float | None = 2.0,
        **sweep: Any,
    ) -> Sweep:
        weights = {arm: i / 10 for i, arm in enumerate(numbers)}
        changes = {arm: {"objective.local.weight": w} if w else {} for arm, w in weights.items()}
        whole = experiment(ablation={"arms": changes, "seeds": 3, "equivalence_margin": margin})
        planned: list[PlannedCell] = []
        cells: dict[str, CellRecord] = {}
        for arm, by_size in numbers.items():
            for size, values in by_size.items():
                for r, value in enumerate(values):
                    key = f"{arm}-{size}-{r}"
                    trial = trial_with(whole.trial(), changes[arm] | {"data.pairs": size, "data.seed": r})
                    where = {"pairs": size, "subset_seed": r, "init_seed": 0, "number": len(planned)}
                    planned.append(PlannedCell(key=key, arm=arm, changes=changes[arm], **where))
                    rises, hidden = (arm, size, r) in unconverged, (arm, size, r) in unknown
                    found: Convergence = "still rising" if rises else "cannot tell" if hidden else "converged"
                    cells[key] = record(key, trial.model_dump(mode="json"), value * 1.02, value, size, found)
        settings: dict[str, Any] = {
            "id": "0001", "name": name, "kind": "ablation", "experiment": whole.model_dump(mode="json"),
            "select": SELECT, "cells": tuple(planned), "baseline": next(iter(numbers)), "status": "finished",
            "data": DATA, "code": "c0de", "git_commit": "abc123", "versions": {"torch": "2.14.1"},
            "cost": {"wall_seconds": 512.0, "trials_run": len(planned), "images_decoded": 5211},
            "created": "2026-11-03T10:00:00Z", "ended": "2026-11-03T10:08:32Z",
        }  # fmt: skip
        return SweepRecord(**(settings | sweep)), cells

    return make


Queries = dict[str, QueryResults]
STUDIES = tuple(f"s{n:03}" for n in range(400))
PATIENTS = tuple(f"p{n // 2:03}" if n < 320 else f"p{n:03}" for n in range(400))  # 160 with two studies, 80 with one


def _with_queries(
    sweep: SweepRecord, cells: dict[str, CellRecord]
) -> tuple[SweepRecord, dict[str, CellRecord], Queries]:
    """Ranks of each query that give the test recall@10 of each cell, to the nearest of 400, and its other metrics.

    Some queries are easier than others for every model, as in life: that is what pairing makes use of.
    """
    rng = np.random.default_rng(0)
    patient = {name: rng.normal() for name in dict.fromkeys(PATIENTS)}
    ease_Q = np.array([patient[p] for p in PATIENTS]) + rng.normal(size=400)
    cells, queries = dict(cells), {}
    for key, found in cells.items():
        if not found.final:
            continue
        place_Q = np.argsort(np.argsort(-(ease_Q + 0.7 * rng.normal(size=400))))
        hits = round(400 * found.final["test/text_to_image/recall_at_10"])
        inside_Q, outside_Q = 1 + place_Q * 10 // max(hits, 1), 11 + (place_Q - hits) % 390
        rank_Q = np.where(place_Q < hits, inside_Q, outside_Q).astype(float)
        names = ("text_to_image", "image_to_text")
        queries[key] = QueryResults(
            STUDIES, PATIENTS, dict.fromkeys(names, rank_Q), dict.fromkeys(names, np.full(400, 399.0))
        )
        final = {f"test/{d}/recall_at_{k}": float((rank_Q <= k).mean()) for d in names for k in (1, 5, 10)}
        final |= {f"test/{d}/median_rank": float(np.median(rank_Q)) for d in names}
        cells[key] = found.model_copy(update={"final": final})
    return sweep, cells, queries


@pytest.fixture
def with_queries() -> Callable[..., tuple[SweepRecord, dict[str, CellRecord], Queries]]:
    return _with_queries


@pytest.fixture
def search() -> Callable[..., Sweep]:
    """make([value of each trial]): a search over a number and a choice; only the best trial has test numbers."""

    def make(values: Sequence[float], **sweep: Any) -> Sweep:
        space: dict[str, Any] = {
            "train.learning_rate": {"loguniform": [1e-5, 1e-2]},
            "augment.text.sentences": {"choice": ["all", "sample", "one"]},
            "objective.local.weight": {"uniform": [0, 2]},
        }
        whole = experiment(search={"trials": len(values), "space": space})
        planned: list[PlannedCell] = []
        cells: dict[str, CellRecord] = {}
        for n, value in enumerate(values):
            changes = {
                "train.learning_rate": 1e-5 * 10 ** (3 * ((n * 7) % len(values)) / len(values)),
                "augment.text.sentences": ("all", "sample", "one")[n % 3],
                "objective.local.weight": 2 * ((n * 5) % len(values)) / len(values),
            }
            trial = trial_with(whole.trial(), changes).model_dump(mode="json")
            planned.append(PlannedCell(key=f"t{n}", changes=changes, number=n))
            test = value * 0.9 if value == max(values) else None
            cells[f"t{n}"] = record(f"t{n}", trial, value, test, status="stopped" if n % 5 == 4 else "finished")
        settings: dict[str, Any] = {
            "id": "0002", "name": "made-up-search", "kind": "search", "experiment": whole.model_dump(mode="json"),
            "select": SELECT, "cells": tuple(planned), "status": "finished", "data": DATA,
        }  # fmt: skip
        return SweepRecord(**(settings | sweep)), cells

    return make


@pytest.fixture
def one_trial() -> Sweep:
    whole = experiment()
    trial = whole.trial().model_dump(mode="json")
    sweep = SweepRecord(
        id="0003", name="one-trial", kind="train", experiment=whole.model_dump(mode="json"), select=SELECT,
        cells=(PlannedCell(key="only"),), status="finished", data=DATA,
    )  # fmt: skip
    return sweep, {"only": record("only", trial, 0.2, 0.18, convergence="still rising")}
