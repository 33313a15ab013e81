"""A finished ablation in a store, on a real data set: the ranks of its test queries are drawn instead of measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from radsweep.config.load import parse_experiment
from radsweep.data.loading.decode import read_index
from radsweep.evaluation.queries import QUERIES, QueryResults, write_queries
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.sweep.preparation.dataset import manifest_summary

METRIC = "text_to_image/recall_at_10"


def ranked_sweep(
    store: Store, shards: Path, arms: dict[str, dict[str, Any]], label: str, seeds: int = 3, name: str = "ranked"
) -> SweepRecord:
    """The first arm is the baseline; the second finds half of the studies with `label` that the baseline does not."""
    ablation = {"arms": arms, "seeds": seeds, "pairs": [40]}
    experiment = parse_experiment({"experiment": name, "data": {"shards": str(shards)}, "ablation": ablation}, "test")
    index = read_index(shards)
    test, count = index.splits["test"], len(index.splits["test"])
    cells = plan_cells(experiment, lambda trial: f"{hash(trial.model_dump_json()) % 2**32:x}")
    record = SweepRecord(
        id=f"{name}-1", name=name, kind="ablation", select=f"val/{METRIC}", cells=tuple(cells),
        experiment=experiment.model_dump(mode="json", exclude_none=True), baseline=next(iter(arms)),
        data=manifest_summary(index.manifest), status="finished", created="2026-11-03T10:00:00Z",
        ended="2026-11-03T10:08:32Z",
    )  # fmt: skip
    store.write_sweep(record)
    has_Q = test.labels_SC[:, index.manifest.labels.index(label)] == 1
    ease_Q = np.random.default_rng(0).permutation(count)
    for cell in cells:
        rng = np.random.default_rng([cell.subset_seed, sorted(arms).index(cell.arm)])
        rank_Q = 1.0 + (ease_Q + rng.integers(-1, 2, count)) % count
        if cell.arm == list(arms)[1]:
            rank_Q = np.where(has_Q & (np.random.default_rng(1).random(count) < 0.5), rng.integers(1, 6, count), rank_Q)
        queries = QueryResults(
            test.study_ids, test.patient_ids, {"text_to_image": rank_Q}, {"text_to_image": np.full(count, count - 1.0)}
        )
        value = float((rank_Q <= 10).mean())
        found = CellRecord(
            key=cell.key, trial=cell_trial(experiment.trial(), cell).model_dump(mode="json"), status="finished",
            pairs=40, best={f"val/{METRIC}": value}, final={f"test/{METRIC}": value}, convergence="converged",
            pool={"test/queries": count, "test/candidates": count}, chance={f"test/{METRIC}": 10 / count},
        )  # fmt: skip
        store.write_cell(found)
        write_queries(store.cell_folder(cell.key) / QUERIES, queries)
    return record
