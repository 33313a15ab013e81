from __future__ import annotations

from collections.abc import Callable

from radsweep.report.analysis.results import join
from radsweep.report.tables.tuning import tuning, tuning_notes
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]


def test_unequal_budgets_are_reported_and_an_arm_without_a_choice_has_none(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12, 0.14]}, "local": {300: [0.18, 0.20]}})
    finished = {"baseline": 3, "local": 2, "broken": 0}
    tried = [PlannedCell(key=f"{arm}{n}", arm=arm, pairs=300, tuning=n) for arm in finished for n in range(3)]
    for cell in tried:
        status = "finished" if (cell.tuning or 0) < finished[cell.arm] else "failed"
        cells[cell.key] = CellRecord.model_validate({"key": cell.key, "trial": {}, "status": status})
    results = join(sweep.model_copy(update={"tuning": tuple(tried)}), cells)
    _, note = tuning_notes(results)
    assert note.startswith("Not all of them finished: local was chosen among 2 at 300 pairs, others among up to 3.")
    broken = next(row for row in tuning(results).rows if row[0] == "broken")
    assert (broken[2], broken[3], broken[-1]) == ("3", "0", "none finished")


def test_what_each_replicate_chose_stands_side_by_side(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12, 0.14, 0.13]}, "local": {300: [0.18, 0.20, 0.19]}})
    tried = []
    for cell in sweep.cells:
        for point in range(2):
            tuned = {"train.warmup": 10 * (cell.subset_seed + 1) + point, "augment.text.sentences": "all"}
            where = {"tuning": point, "tuned": tuned, "tuning_replicate": cell.subset_seed}
            tried.append(cell.model_copy(update={"key": f"{cell.key}/{point}", **where}))
            cells[tried[-1].key] = CellRecord(
                key=tried[-1].key, trial={}, status="finished", best={sweep.select: 0.1 * (1 + point)}
            )
    chosen = {(c.arm, c.tuning_replicate): c.tuned for c in tried if c.tuning == 1}
    final = [
        c.model_copy(update={"tuned": chosen[c.arm, c.subset_seed], "tuning_replicate": c.subset_seed})
        for c in sweep.cells
    ]
    results = join(sweep.model_copy(update={"cells": tuple(final), "tuning": tuple(tried)}), cells)
    table = tuning(results)
    assert table.head[4].endswith(", mean over replicates")
    assert table.rows[0][2:] == ("6", "6", "20.0 %", "train.warmup 11, 21, 31; augment.text.sentences all, all, all")
    (note,) = tuning_notes(results)
    assert "in each replicate with 2 trials of its own on the replicate's subset" in note
