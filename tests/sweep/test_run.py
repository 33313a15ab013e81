"""The end of a sweep, without running one: from the store's records to its report and the numbers for MLflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radsweep.evaluation.queries import QUERIES, QueryResults, write_queries
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.run import finish

METRIC = "text_to_image/recall_at_10"


def test_the_report_rests_on_what_each_query_got_and_on_the_stages_in_the_store(tmp_path: Path) -> None:
    store, cells = Store(tmp_path), []
    rng = np.random.default_rng(0)
    studies = tuple(f"s{n:02}" for n in range(60))
    for arm, hits in {"baseline": (12, 15, 13), "adapted": (24, 27, 26)}.items():
        for seed, hit in enumerate(hits):
            key = f"{arm}{seed}"
            ranks = np.where(rng.permutation(60) < hit, 3.0, 40.0)
            store.write_cell(
                CellRecord(
                    key=key, trial={}, status="finished", pairs=100, best={f"val/{METRIC}": hit / 60}, converged=True,
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
    folder, statistics = finish(store, sweep)
    name = f"arm/adapted/100/test/{METRIC}"
    assert statistics[f"{name}/difference"] == pytest.approx((77 - 40) / 180)
    assert statistics[f"{name}/difference_low"] < (77 - 40) / 180 < statistics[f"{name}/difference_high"]
    assert statistics[f"{name}/p_holm"] < 0.05
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "Compute: 4.0 × the baseline's time and 3.0 × its optimiser steps, adaptation included." in text
    assert (folder / "figures" / "forest.svg").is_file()
