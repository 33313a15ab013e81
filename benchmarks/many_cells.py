"""10,000 finished cells in a store: seconds to plan them, to resume their sweep, and to write their report.

The ablation has 20 arms at 5 sizes with 100 replicates. Records, and the results of 200 queries in each, are invented
and written beforehand. The sweep is a real one, on a local Ray and an MLflow on SQLite, and finds every cell in the
store. Reused trials are sent to MLflow in the background: `mlflow_s` is the time that this took after the report, at
most a minute, and `mlflow_left` is the number of entries that were not sent. `..._cpu_s` are seconds of processor time
of all threads.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from common import Figures, phantom, run, tell

from radsweep.cluster.versions import versions
from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_experiment
from radsweep.data.shards.dataset import read_manifest
from radsweep.evaluation.queries import QUERIES, QueryResults, write_queries
from radsweep.store.records import CellRecord, PlannedCell, Validation
from radsweep.store.store import RECORD, Store
from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.sweep.identity.cell_key import cell_key
from radsweep.sweep.identity.code import code_fingerprint

ARMS, SIZES, REPLICATES, QUERY_COUNT = 20, (20, 40, 60, 80, 100), 100, 200
DIRECTIONS = ("text_to_image", "image_to_text")


def measure(folder: Path, quick: bool) -> Figures:
    arms, replicates = (4, 3) if quick else (ARMS, REPLICATES)
    shards = phantom(folder, max(SIZES), quick=True)
    file = folder / "experiment.json"
    file.write_text(experiment(shards, folder, arms, replicates).model_dump_json())
    cells = _alone("write", file)["cells"]
    tell(f"{cells:,} cells are in the store")
    planned = _alone("plan", file)
    resumed = _alone("resume", file)
    return {
        "cells": cells,
        "plan_s": planned["plan_s"],
        "plan_cpu_s": planned["plan_cpu_s"],
        "plan_peak_mb": planned["peak_mb"],
        **resumed,
    }


def experiment(shards: Path, folder: Path, arms: int, replicates: int) -> Experiment:
    weights = {"baseline": {}} | {f"local {n}": {"objective.local.weight": n / 10} for n in range(1, arms)}
    return parse_experiment(
        {
            "experiment": "many-cells",
            "data": {"shards": str(shards), "source": "cached"},
            "ablation": {"arms": weights, "pairs": list(SIZES), "seeds": replicates},
            "run": {"store": str(folder / "store"), "tracking_uri": f"sqlite:///{folder}/mlflow.db"},
        },
        "many_cells.py",
    )


def planned_cells(asked: Experiment) -> list[PlannedCell]:
    fingerprint = read_manifest(asked.data.shards).fingerprint
    return plan_cells(asked, lambda trial: cell_key(trial, fingerprint, "cpu"))


def write(asked: Experiment) -> Figures:
    """Write records as trials do, but without fsync."""
    store, cells = Store(Path(str(asked.run.store))), planned_cells(asked)
    base, fingerprint = asked.trial(), read_manifest(asked.data.shards).fingerprint
    rng = np.random.default_rng(0)
    names = [f"{n:032x}" for n in range(QUERY_COUNT)]
    ease_Q = rng.normal(size=QUERY_COUNT)
    gain = {arm: 0.02 * n for n, arm in enumerate(dict.fromkeys(cell.arm for cell in cells))}
    for cell in cells:
        level = 0.5 * np.log(cell.pairs or 1) + gain[cell.arm] + ease_Q + 0.5 * rng.normal(size=QUERY_COUNT)
        rank_Q = np.clip(np.round(np.exp(4.5 - level)), 1, QUERY_COUNT)
        ranks, others = dict.fromkeys(DIRECTIONS, rank_Q), dict.fromkeys(DIRECTIONS, np.full(QUERY_COUNT, 199.0))
        with patch("os.fsync"):
            write_queries(
                store.cell_folder(cell.key) / QUERIES, QueryResults(tuple(names), tuple(names), ranks, others)
            )
        record = _record(cell, cell_trial(base, cell).model_dump(mode="json"), rank_Q, fingerprint)
        (store.cell_folder(cell.key) / RECORD).write_text(record.model_dump_json())
    return {"cells": len(cells)}


def _record(cell: PlannedCell, trial: dict[str, Any], rank_Q: np.ndarray, data: str) -> CellRecord:
    values = {f"recall_at_{k}": float((rank_Q <= k).mean()) for k in (1, 5, 10, 50)}
    values |= {"median_rank": float(np.median(rank_Q)), "mean_rank": float(rank_Q.mean())}
    metrics = {
        split: {f"{split}/{direction}/{name}": value for direction in DIRECTIONS for name, value in values.items()}
        for split in ("val", "test")
    }
    looks = tuple(
        Validation(epoch=n, step=20 * n, seconds=3.0 * n, metrics={"train/loss": 4 - 0.1 * n, **metrics["val"]})
        for n in range(1, 11)
    )
    seconds = {"training": 25.0, "evaluation": 5.0, "checkpoint": 0.1, "total": 30.2}
    return CellRecord(
        key=cell.key, trial=trial, status="finished", pairs=cell.pairs or 0, history=looks, best=metrics["val"],
        best_step=200, final=metrics["test"], convergence="converged", epochs=10, steps=200, seconds=seconds, data=data,
        pool={f"{split}/{what}": QUERY_COUNT for split in ("val", "test") for what in ("queries", "candidates")},
        chance={name: 0.05 for of in metrics.values() for name in of}, code=code_fingerprint(), versions=versions(),
        started="2026-11-01T10:00:00.000+00:00", ended="2026-11-01T10:00:30.200+00:00",
    )  # fmt: skip


def time_plan(asked: Experiment) -> Figures:
    from radsweep.sweep.checks.experiment import check_experiment

    began = _clock()
    check_experiment(asked)
    planned_cells(asked)
    return {**_spent("plan", began, _clock()), "peak_mb": _peak()}


def time_resume(asked: Experiment) -> Figures:
    """Time the sweep without its report, the report, and sending to MLflow."""
    from radsweep.cluster.connect import connect
    from radsweep.report.render.write import Written, write_report
    from radsweep.sweep import run as sweep_run
    from radsweep.tracking.mirror import spool_folder
    from radsweep.tracking.spool import Spool

    connect()  # Ray runs before timing: its start takes as long for 1 cell as for 10,000
    before = _peak()
    pages: list[Path] = []
    timestamps = [_clock()]

    def timed(*arguments: Any) -> Written:
        timestamps.append(_clock())
        written = write_report(*arguments)
        timestamps.append(_clock())
        pages.append(written.page)
        return written

    record = sweep_run.run_sweep(asked, timed)
    timestamps.append(_clock())
    assert record.status == "finished", record.status
    assert record.cost["trials_run"] == 0, "every cell is in the store"
    return {
        **_spent("resume", timestamps[0], timestamps[1]),
        **_spent("report", timestamps[1], timestamps[2]),
        **_spent("mlflow", timestamps[2], timestamps[3]),
        "mlflow_left": Spool(spool_folder(Path(str(asked.run.store)), record.id)).left,
        "page_mb": pages[0].stat().st_size / 2**20,
        "before_mb": before,
        "peak_mb": _peak(),
    }


def _clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _spent(part: str, began: tuple[float, float], ended: tuple[float, float]) -> Figures:
    return {f"{part}_s": ended[0] - began[0], f"{part}_cpu_s": ended[1] - began[1]}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _alone(part: str, file: Path) -> Figures:
    """Run a part in a process of its own, to measure its memory."""
    command = [sys.executable, __file__, part, str(file)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: Figures = json.loads(out.splitlines()[-1])
    return figures


def _part(arguments: Iterable[str]) -> None:
    part, file = arguments
    asked = Experiment.model_validate_json(Path(file).read_text())
    print(json.dumps(PARTS[part](asked)))


PARTS = {"write": write, "plan": time_plan, "resume": time_resume}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in PARTS:
        _part(sys.argv[1:])
    else:
        run(measure)
