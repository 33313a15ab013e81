"""The trials that are checked before a sweep starts."""

from __future__ import annotations

from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.sweep.design.possible_trials import possible_trials
from support.designs import ARMS, experiment, key_of


def test_the_trials_of_the_plan_are_checked() -> None:
    whole = experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": {"subset": 2, "init": 2}})
    cells = plan_cells(whole, key_of)
    assert [key_of(trial) for trial in possible_trials(whole)] == [cell.key for cell in cells]
    assert [cell_trial(whole.trial(), cell) for cell in cells] == list(possible_trials(whole))
    space = {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}
    tuned = experiment(ablation={"arms": ARMS, "seeds": 2, "tune": {"trials": 3, "space": space}})
    checked = [key_of(trial) for trial in possible_trials(tuned)]
    assert len(checked) == 2 * 2 + 2 * 2 * 3
    assert checked[4:] == [cell.key for cell in plan_cells(tuned, key_of)]


def test_trials_that_a_condition_excludes_are_not_checked() -> None:
    space = {
        "model.image.backbone": {"choice": ["tiny-cnn", "tiny-vit"]},
        "adapt.image.method": {"choice": ["none", "mae"], "only_if": "model.image.backbone == tiny-vit"},
    }
    searched = experiment(search={"space": space, "trials": 4})
    found = {(trial.model.image.backbone, trial.adapt.image.method) for trial in possible_trials(searched)}
    assert found == {("tiny-cnn", "none"), ("tiny-vit", "none"), ("tiny-vit", "mae")}
    space["adapt.image.method"].pop("only_if")
    unbound = experiment(search={"space": space, "trials": 4})
    found = {(trial.model.image.backbone, trial.adapt.image.method) for trial in possible_trials(unbound)}
    assert ("tiny-cnn", "mae") in found
