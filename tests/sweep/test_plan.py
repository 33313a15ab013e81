"""Which trials a design runs."""

from __future__ import annotations

import itertools
from typing import Any

from radsweep.config.load import parse_experiment
from radsweep.sweep.design.cells import cell_trial, plan
from radsweep.sweep.design.possible_trials import possible_trials


def experiment(**parts: Any) -> Any:
    base = {"experiment": "x", "data": {"shards": "somewhere", "pairs": 50, "seed": 4}, "train": {"seed": 7}}
    return parse_experiment(base | parts, "x.yaml")


def key_of(trial: Any) -> str:
    return trial.model_dump_json()


ARMS = {"baseline": {}, "local": {"objective.local.weight": 1}}


def test_arms_are_crossed_with_sizes_and_seeds() -> None:
    cells = plan(experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": {"subset": 3, "init": 2}}), key_of)
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 2 * 3 * 2
    assert [cell.number for cell in cells] == list(range(24))


def test_a_replicate_has_the_same_subset_and_start_in_every_arm() -> None:
    cells = plan(experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": {"subset": 3, "init": 2}}), key_of)
    seeds = {arm: [(cell.pairs, cell.subset_seed, cell.init_seed) for cell in cells if cell.arm == arm] for arm in ARMS}
    assert seeds["baseline"] == seeds["local"]
    assert len(set(seeds["local"])) == 12
    starts = {(subset, start) for _, subset, start in seeds["local"]}
    assert len({start for _, start in starts}) == 6  # no two replicates share a start


def test_what_is_checked_beforehand_are_the_trials_of_the_plan() -> None:
    whole = experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": {"subset": 2, "init": 2}})
    cells = plan(whole, key_of)
    assert [key_of(trial) for trial in possible_trials(whole)] == [cell.key for cell in cells]
    assert [cell_trial(whole.trial(), cell) for cell in cells] == list(possible_trials(whole))
    space = {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}
    tuned = experiment(ablation={"arms": ARMS, "seeds": 2, "tune": {"trials": 3, "space": space}})
    checked = [key_of(trial) for trial in possible_trials(tuned)]
    assert len(checked) == 2 * 2 + 2 * 3
    assert checked[4:] == [cell.key for cell in plan(tuned, key_of)]


def test_what_a_condition_keeps_from_being_asked_for_is_not_checked() -> None:
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


def test_seeds_count_on_from_those_of_the_file() -> None:
    first = plan(experiment(ablation={"arms": ARMS}), key_of)[0]
    assert (first.pairs, first.subset_seed, first.init_seed) == (50, 4, 7)


def test_a_cell_says_which_trial_it_is() -> None:
    whole = experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": 2})
    for cell in plan(whole, key_of):
        assert key_of(cell_trial(whole.trial(), cell)) == cell.key


def test_whole_sets_of_arms_come_first() -> None:
    cells = plan(experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": 2}), key_of)
    places = [(cell.pairs, cell.subset_seed) for cell in cells]
    assert [place for place, _ in itertools.groupby(places)] == [(10, 4), (10, 5), (20, 4), (20, 5)]


def test_arms_that_resolve_to_one_configuration_share_a_cell() -> None:
    cells = plan(experiment(ablation={"arms": {"a": {}, "b": {"objective.local.weight": 0}}}), key_of)
    assert len(cells) == 2
    assert cells[0].key == cells[1].key


def test_a_grid_is_every_combination() -> None:
    space = {"train.seed": {"int": [1, 3]}, "augment.text.sentences": {"choice": ["all", "sample"]}}
    cells = plan(experiment(search={"algorithm": "grid", "space": space}), key_of)
    assert len({cell.key for cell in cells}) == 6


def test_a_grid_leaves_out_a_key_whose_condition_fails() -> None:
    space = {
        "augment.text.keep": {"choice": [0.5, 0.9], "only_if": "augment.text.sentences == sample"},
        "augment.text.sentences": {"choice": ["all", "sample"]},
    }
    cells = plan(experiment(search={"algorithm": "grid", "space": space}), key_of)
    assert [cell.changes for cell in cells] == [
        {"augment.text.sentences": "all"},
        {"augment.text.sentences": "sample", "augment.text.keep": 0.5},
        {"augment.text.sentences": "sample", "augment.text.keep": 0.9},
    ]


def test_without_search_or_ablation_there_is_one_trial() -> None:
    (cell,) = plan(experiment(), key_of)
    assert cell.changes == {}
