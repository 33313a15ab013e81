"""Which trials a sweep runs: the design of an ablation, a grid, or one trial."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from radsweep.spec.ablation import Ablation
from radsweep.spec.experiment import Experiment
from radsweep.spec.keys import get
from radsweep.spec.load import trial_with
from radsweep.spec.search import Search, ordered
from radsweep.spec.trial import Trial
from radsweep.training.record import PlannedCell

KeyOf = Callable[[Trial], str]


def plan(experiment: Experiment, key_of: KeyOf) -> list[PlannedCell]:
    """All cells known beforehand; empty for a search that is asked as it goes."""
    base = experiment.trial()
    if experiment.ablation is not None:
        return ablation_cells(base, experiment.ablation, key_of)
    if experiment.search is None:
        return [planned(trial_with(base, fold), {}, key_of, number) for number, fold in enumerate(folds_of(base))]
    if experiment.search.algorithm == "grid":
        points = grid(base, experiment.search)
        return [planned(base, values, key_of, number) for number, values in enumerate(points)]
    return []


def planned(base: Trial, values: dict[str, Any], key_of: KeyOf, number: int, arm: str = "") -> PlannedCell:
    """The cell of the base trial with dotted keys set."""
    trial = trial_with(base, values)
    return PlannedCell(
        key=key_of(trial),
        arm=arm,
        changes=values,
        pairs=trial.data.pairs,
        subset_seed=trial.data.seed,
        init_seed=trial.train.seed,
        fold=None if trial.data.folds is None else trial.data.fold,
        number=number,
    )


def folds_of(base: Trial) -> list[dict[str, Any]]:
    """What to set for each fold of a cross-validation; nothing, once, without one."""
    return [{}] if base.data.folds is None else [{"data.fold": fold} for fold in range(base.data.folds)]


def ablation_cells(base: Trial, ablation: Ablation, key_of: KeyOf) -> list[PlannedCell]:
    """Arms x sizes x replicates x starts x folds. A replicate has the same subset and the same start in every arm.

    The order is by size and replicate first, so that a sweep that ends early still compares whole sets of arms.
    """
    sizes = ablation.pairs or (None,)
    replicates = itertools.product(range(ablation.seeds.subset), range(ablation.seeds.init))
    arms = ablation.designed_arms(base)
    cells: list[PlannedCell] = []
    for size, (subset, start), fold in itertools.product(sizes, list(replicates), folds_of(base)):
        seeds = {
            "data.seed": base.data.seed + subset,
            "train.seed": base.train.seed + subset * ablation.seeds.init + start,
        }
        sized = (seeds if size is None else seeds | {"data.pairs": size}) | fold
        for arm, changes in arms.items():
            cell = planned(base, sized | changes, key_of, len(cells), arm)
            cells.append(cell.model_copy(update={"changes": changes}))
    return cells


def cell_trial(base: Trial, cell: PlannedCell) -> Trial:
    """The trial behind a planned cell."""
    places = {"data.seed": cell.subset_seed, "train.seed": cell.init_seed}
    if cell.pairs is not None:
        places["data.pairs"] = cell.pairs
    if cell.fold is not None:
        places["data.fold"] = cell.fold
    return trial_with(base, places | cell.changes)


def grid(base: Trial, search: Search) -> list[dict[str, Any]]:
    """Every combination of the space's values; a dimension whose condition fails is left out of a combination."""
    tree = base.model_dump(mode="json")
    points: list[dict[str, Any]] = [{}]
    for key in ordered(search.space):
        dimension = search.space[key]
        values = dimension.choice or tuple(range(int(dimension.extremes()[0]), int(dimension.extremes()[1]) + 1))
        condition = dimension.condition
        grown: list[dict[str, Any]] = []
        for point in points:
            applies = condition is None or condition.holds(point.get(condition.key, get(tree, condition.key)))
            grown += [point | {key: value} for value in values] if applies else [point]
        points = grown
    return points
