"""Seconds from a trial's last report to the next trial's first optimiser step, in a warm slot and in the stock recipe.

The time is measured to the end of the step. The last evaluation ends with the report. Writing the checkpoint is between
the two and is subtracted on both sides. Evaluation and checkpoint are reported separately.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import Figures, phantom, random_search, run, short_trial, tell


def measure(folder: Path, quick: bool) -> Figures:
    from ray import tune
    from stock import run_stock

    from radsweep.cluster.connect import connect

    shards = phantom(folder, 64 if quick else 300, quick)
    handovers = 1 if quick else 5
    connect()
    figures: Figures = {}
    for workers in (1, 2):
        place = folder / str(workers)
        trial = short_trial(shards, {"train.workers": workers})
        tell(f"{workers} worker(s): {2 * handovers + 1} trials in a warm slot")
        ours, references = warm(trial, 2 * handovers + 1, place)
        tell(f"{workers} worker(s): {handovers + 1} trials by the stock recipe")
        space = {"train.seed": tune.grid_search(list(range(handovers + 1)))}
        one_by_one = tune.TuneConfig(max_concurrent_trials=1)
        theirs = run_stock(trial, one_by_one, space, references, place)
        warm_s, stock_s = seconds(ours), seconds(theirs)
        figures[str(workers)] = {
            "warm_s": statistics.median(warm_s),
            "stock_s": statistics.median(stock_s),
            "ratio": statistics.median(stock_s) / statistics.median(warm_s),
            "warm_largest_s": max(warm_s),
            "warm_idle_s": statistics.median(idle(ours)),
            "step_s": statistics.median(t["seconds"]["training"] / t["steps"] for t in ours),
            "evaluation_s": statistics.median(
                t["timestamps"]["last_report"] - t["timestamps"]["last_step"] for t in ours
            ),
            "checkpoint_s": statistics.median(t["seconds"]["checkpoint"] for t in ours),
            "warm_handovers": len(warm_s),
            "stock_handovers": len(stock_s),
        }
    return {"workers": figures}


def warm(trial: Any, trials: int, folder: Path) -> tuple[list[Figures], Any]:
    """Run a sweep in one slot. Return its records in order, and [reference to data prepared as for its trials]."""
    from radsweep.console import Console
    from radsweep.data.loading.decode import read_index
    from radsweep.store.store import Store
    from radsweep.sweep.preparation.prepare import Preparations
    from radsweep.sweep.run import run_sweep

    sweep = run_sweep(random_search(trial, trials, 1, folder))
    store = Store(folder / "store")
    records = store.read_cells(cell.key for cell in sweep.cells)
    if any(record.status != "finished" for record in records.values()) or len(records) != trials:
        raise SystemExit(f"not every trial finished: {[record.error for record in records.values()]}")
    preparations = Preparations(read_index(trial.data.shards), store, Console())
    preparations.make([trial])
    (reference,) = preparations.references.values()
    noted = [record.model_dump() for record in records.values()]
    return sorted(noted, key=lambda record: record["timestamps"]["first_step"]), reference


def seconds(trials: Sequence[Figures]) -> list[float]:
    """Seconds of each hand-over, without the checkpoint of the trial that ends."""
    return [
        later["timestamps"]["first_step"] - earlier["timestamps"]["last_report"] - earlier["seconds"]["checkpoint"]
        for earlier, later in pairwise(trials)
    ]


def idle(trials: Sequence[Figures]) -> list[float]:
    """Seconds of each hand-over in which the workers wait for their next trial."""
    return [
        (datetime.fromisoformat(later["started"]) - datetime.fromisoformat(earlier["ended"])).total_seconds()
        for earlier, later in pairwise(trials)
    ]


if __name__ == "__main__":
    run(measure)
