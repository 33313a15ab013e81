"""Trials that a design runs."""

from __future__ import annotations

import itertools

from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from support.designs import ARMS, experiment, key_of


def test_arms_are_crossed_with_sizes_and_seeds() -> None:
    cells = plan_cells(
        experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": {"subset": 3, "init": 2}}), key_of
    )
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 2 * 3 * 2
    assert [cell.number for cell in cells] == list(range(24))


def test_a_replicate_has_the_same_subset_and_start_in_every_arm() -> None:
    cells = plan_cells(
        experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": {"subset": 3, "init": 2}}), key_of
    )
    seeds = {arm: [(cell.pairs, cell.subset_seed, cell.init_seed) for cell in cells if cell.arm == arm] for arm in ARMS}
    assert seeds["baseline"] == seeds["local"]
    assert len(set(seeds["local"])) == 12
    starts = {(subset, start) for _, subset, start in seeds["local"]}
    assert len({start for _, start in starts}) == 6  # no two replicates share a start


def test_seeds_count_up_from_those_of_the_file() -> None:
    first = plan_cells(experiment(ablation={"arms": ARMS}), key_of)[0]
    assert (first.pairs, first.subset_seed, first.init_seed) == (50, 4, 7)


def test_a_cell_identifies_its_trial() -> None:
    whole = experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": 2})
    for cell in plan_cells(whole, key_of):
        assert key_of(cell_trial(whole.trial(), cell)) == cell.key


def test_whole_sets_of_arms_come_first() -> None:
    cells = plan_cells(experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": 2}), key_of)
    places = [(cell.pairs, cell.subset_seed) for cell in cells]
    assert [place for place, _ in itertools.groupby(places)] == [(10, 4), (10, 5), (20, 4), (20, 5)]


def test_arms_that_resolve_to_one_configuration_share_a_cell() -> None:
    cells = plan_cells(experiment(ablation={"arms": {"a": {}, "b": {"objective.local.weight": 0}}}), key_of)
    assert len(cells) == 2
    assert cells[0].key == cells[1].key


def test_a_grid_is_every_combination() -> None:
    space = {"train.seed": {"int": [1, 3]}, "augment.text.sentences": {"choice": ["all", "sample"]}}
    cells = plan_cells(experiment(search={"algorithm": "grid", "space": space}), key_of)
    assert len({cell.key for cell in cells}) == 6


def test_a_grid_leaves_out_a_key_whose_condition_fails() -> None:
    space = {
        "augment.text.keep": {"choice": [0.5, 0.9], "only_if": "augment.text.sentences == sample"},
        "augment.text.sentences": {"choice": ["all", "sample"]},
    }
    cells = plan_cells(experiment(search={"algorithm": "grid", "space": space}), key_of)
    assert [cell.changes for cell in cells] == [
        {"augment.text.sentences": "all"},
        {"augment.text.sentences": "sample", "augment.text.keep": 0.5},
        {"augment.text.sentences": "sample", "augment.text.keep": 0.9},
    ]


def test_without_search_or_ablation_there_is_one_trial() -> None:
    (cell,) = plan_cells(experiment(), key_of)
    assert cell.changes == {}
