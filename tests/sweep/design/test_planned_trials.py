"""Trials that a design runs."""

from __future__ import annotations

import itertools
from collections.abc import Collection

from radsweep.config.experiment import Experiment
from radsweep.store.records import PlannedCell, TuningPlace
from radsweep.sweep.design.planned_trials import ablation_cells, cell_trial, plan_cells
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


def tuned(repeat: str = "each_replicate", **seeds: int) -> Experiment:
    tune = {"trials": 3, "space": {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}, "repeat": repeat}
    return experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": seeds, "tune": tune})


def final(whole: Experiment, left_out: Collection[TuningPlace] = ()) -> list[PlannedCell]:
    assert whole.ablation is not None
    chosen = {cell.tuning_place: cell.tuned for cell in plan_cells(whole, key_of) if cell.tuning == 2}
    kept = {place: values for place, values in chosen.items() if place not in left_out}
    return ablation_cells(whole.trial(), whole.ablation, key_of, kept)


def test_each_replicate_is_tuned_on_its_own_subset_from_a_start_that_no_result_has() -> None:
    whole = tuned(subset=3, init=2)
    tries, cells = plan_cells(whole, key_of), final(whole)
    assert len({cell.key for cell in tries}) == len(tries) == 2 * 2 * 3 * 3  # arms, sizes, replicates, points
    assert {(c.tuning_replicate, c.subset_seed) for c in tries} == {(c.tuning_replicate, c.subset_seed) for c in cells}
    assert len({cell.init_seed for cell in tries}) == 3
    assert not {cell.init_seed for cell in tries} & {cell.init_seed for cell in cells}
    for replicate in range(3):
        values = [
            {c.tuned["train.learning_rate"] for c in of if c.tuning_replicate == replicate} for of in (tries, cells)
        ]
        assert values[1] < values[0]  # what runs is a choice of its own tuning
        assert (len(values[0]), len(values[1])) == (3, 1)


def test_starts_on_one_subset_are_tuned_each_by_itself() -> None:
    tries, cells = plan_cells(tuned(init=3), key_of), final(tuned(init=3))
    assert {cell.subset_seed for cell in (*tries, *cells)} == {5}
    assert [len({cell.tuning_replicate for cell in of}) for of in (tries, cells)] == [3, 3]


def test_one_tuning_of_all_replicates_runs_on_the_seeds_of_the_file() -> None:
    whole = tuned("once", subset=3)
    tries, cells = plan_cells(whole, key_of), final(whole)
    assert len(tries) == 2 * 2 * 3
    assert {(cell.subset_seed, cell.init_seed, cell.tuning_replicate) for cell in tries} == {(4, 7, None)}
    assert {cell.tuning_replicate for cell in cells} == {None}
    assert len({cell.tuned["train.learning_rate"] for cell in cells}) == 1


def test_more_replicates_keep_the_tuning_trials_of_those_before() -> None:
    fewer, more = (plan_cells(tuned(subset=number), key_of) for number in (2, 5))
    assert {cell.key for cell in fewer} < {cell.key for cell in more}


def test_a_replicate_whose_tuning_all_failed_lacks_that_arm_only() -> None:
    cells = final(tuned(subset=2), left_out=[("local", 20, 1)])
    assert len(cells) == 2 * 2 * 2 - 1
    assert not [c for c in cells if (c.arm, c.pairs, c.tuning_replicate) == ("local", 20, 1)]


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
