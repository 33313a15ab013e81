"""Names of trial runs, and params of their place in the design."""

from __future__ import annotations

from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.sweep.progress.status import in_words
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


def test_the_runs_of_a_tuning_are_named_with_the_replicate_that_they_tune() -> None:
    tries = [PlannedCell(key=f"{r}", arm="local", pairs=30, tuning=4, tuning_replicate=r) for r in (None, 1)]
    final = PlannedCell(key="x", arm="local", pairs=30, tuning_replicate=1, tuning_trials=6)
    sweep = SweepRecord(id="x", name="x", kind="ablation", experiment={}, select="", cells=(final,), tuning=(*tries,))
    design = run_fields.Design.of(sweep)
    names = [run_fields.trial_name(design, cell) for cell in tries]
    assert names == ["tune local / 30 pairs / point 4", "tune local / 30 pairs / replicate 2 / point 4"]
    params = [run_fields.trial_params(design, cell, {}) for cell in (*tries, final)]
    assert [found.get("tuned_replicate") for found in params] == [None, "2", "2"]
    assert [in_words(cell) for cell in tries] == [
        "local / 30 pairs / tuning 5",
        "local / 30 pairs / tuning 5 of replicate 2",
    ]


def test_a_sweep_is_tagged_with_how_often_it_was_tuned() -> None:
    def tag(*replicates: int | None) -> str | None:
        tries = tuple(PlannedCell(key=f"{r}", tuning=0, tuning_replicate=r) for r in replicates)
        sweep = SweepRecord(id="x", name="x", kind="ablation", experiment={}, select="", cells=(), tuning=tries)
        return run_fields.sweep_tags(sweep).get("radsweep.tuned")

    assert (tag(), tag(None), tag(0, 1)) == (None, "once", "each_replicate")
