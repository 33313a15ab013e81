from __future__ import annotations

from collections.abc import Callable
from typing import Any

from radsweep.report.analysis.results import join
from radsweep.report.tables.arm_changes import Change, arm_changes
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]


def test_changes_are_from_the_baseline_which_may_change_the_base_trial_too(
    ablation: Callable[..., Sweep],
) -> None:
    sweep, cells = ablation({"plain": {300: [0.1]}, "local": {300: [0.2]}, "both": {300: [0.2]}})
    changes: dict[str, dict[str, Any]] = {
        "plain": {"train.weight_decay": 0.2},
        "local": {"train.weight_decay": 0.2, "objective.local.weight": 0.25},
        "both": {"augment.image.crop": [0.8, 1.0]},
    }
    planned = tuple(cell.model_copy(update={"changes": changes[cell.arm]}) for cell in sweep.cells)
    results = join(sweep.model_copy(update={"cells": planned}), cells)
    base = str(sweep.experiment["train"]["weight_decay"])
    assert arm_changes(results, "plain") == ()
    assert [(c.key, c.value) for c in arm_changes(results, "local")] == [("objective.local.weight", "0.25")]
    crop, decay = arm_changes(results, "both")
    assert (crop.key, crop.value) == ("augment.image.crop", "[0.8, 1.0]")
    assert decay == Change("train.weight_decay", base, "0.2"), (
        "without the baseline's change it has the base trial's value"
    )
