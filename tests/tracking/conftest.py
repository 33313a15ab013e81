"""A synthetic sweep's records, a migrated database to copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_experiment, trial_with
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord, Validation

SELECT = "text_to_image/recall_at_10"
ARMS = {"baseline": {}, "local + crop": {"objective.local.weight": 1.0, "augment.image.crop": [0.8, 1.0]}}


def experiment() -> Experiment:
    ablation = {"arms": ARMS, "pairs": [100, 300], "seeds": 3}
    return parse_experiment(
        {"experiment": "low-data", "data": {"shards": "phantom:easy"}, "ablation": ablation}, "test"
    )


def cells() -> tuple[PlannedCell, ...]:
    places = [(arm, n, seed) for arm in ARMS for n in (100, 300) for seed in (1, 2, 3)]
    return tuple(
        PlannedCell(key=f"{i:04x}", arm=arm, changes=ARMS[arm], pairs=n, subset_seed=seed, number=i)
        for i, (arm, n, seed) in enumerate(places)
    )


def sweep(status: str = "running") -> SweepRecord:
    return SweepRecord(
        id="20261124-a1b2",
        name="low-data",
        kind="ablation",
        experiment=experiment().model_dump(mode="json"),
        select=f"val/{SELECT}",
        cells=cells(),
        baseline="baseline",
        status=status,  # type: ignore[arg-type]
        data={"name": "easy", "fingerprint": "d" * 16},
        code="c" * 16,
        git_commit="0" * 40,
        versions={"torch": "2.14.1"},
        ended="2026-11-24T12:00:00+00:00" if status == "finished" else "",
    )


def trial(cell: PlannedCell) -> dict[str, object]:
    return trial_with(experiment().trial(), cell.changes | {"data.pairs": cell.pairs}).model_dump(mode="json")


def record(cell: PlannedCell, status: str = "finished", looks: int = 3) -> CellRecord:
    rng = np.random.default_rng(cell.number)
    top = 0.3 + 0.1 * (cell.arm != "baseline") + 0.2 * (cell.pairs == 300) + rng.normal(0, 0.02)
    history = [
        Validation(
            epoch=i + 1,
            step=20 * (i + 1),
            seconds=float(i + 1),
            metrics={
                "train/loss": float(4 * np.exp(-i / 3)),
                f"val/{SELECT}": float(top * (1 - np.exp(-(i + 1) / 2))),
                "val/image_to_text/recall_at_10": float(top * (1 - np.exp(-(i + 1) / 2)) - 0.01),
            },
        )
        for i in range(looks)
    ]
    settings = trial_with(experiment().trial(), cell.changes | {"data.pairs": cell.pairs})
    return CellRecord(
        key=cell.key,
        trial=settings.model_dump(mode="json"),
        status=status,  # type: ignore[arg-type]
        error="the loss is NaN at step 40: lower train.learning_rate" if status == "failed" else None,
        pairs=cell.pairs or 0,
        history=tuple(history),
        best=history[-1].metrics if history else {},
        best_step=history[-1].step if history else 0,
        final={f"test/{SELECT}": float(top - 0.02)} if status == "finished" else {},
        convergence="converged" if cell.pairs == 100 else "still rising",
        epochs=looks,
        steps=20 * looks,
        seconds={"training": 4.0, "total": 5.0},
        data="d" * 16,
        code="c" * 16,
        versions={"torch": "2.14.1"},
        started="2026-11-24T11:00:00+00:00",
        ended="2026-11-24T11:00:05+00:00",
    )


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """A sweep of 12 cells, 2 arms x 2 sizes x 3 seeds: its records."""
    return SimpleNamespace(sweep=sweep, trial=trial, record=record, experiment=experiment)


@pytest.fixture
def store(tmp_path: Path, template: Path) -> Path:
    shutil.copy(template, tmp_path / "mlflow.db")
    return tmp_path
