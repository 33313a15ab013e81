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
