"""Names of trial runs, and params of their place in the design."""

from __future__ import annotations

from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.tracking import run_fields


def test_the_run_of_a_fold_is_named_with_it_and_has_it_as_a_param() -> None:
    cells = [PlannedCell(key=f"{fold}", arm="local", pairs=30, fold=fold, number=fold) for fold in range(3)]
    cells += [PlannedCell(key="whole", arm="local", pairs=30, number=3), PlannedCell(key="single", fold=1, number=1)]
    sweep = SweepRecord(id="x", name="x", kind="ablation", experiment={}, select="", cells=tuple(cells))
    design = run_fields.Design.of(sweep)
    names = [run_fields.trial_name(design, cell) for cell in cells]
    assert names[2:] == ["local / 30 pairs / seed 0 / fold 2", "local / 30 pairs / seed 0", "trial 1 / fold 1"]
    params = [run_fields.trial_params(design, cell, {}) for cell in cells]
    assert [found.get("fold") for found in params] == ["0", "1", "2", None, "1"]
