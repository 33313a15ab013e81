"""Trials that a sweep runs: the design of an ablation, a grid, or one trial."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from radsweep.config.ablation import Ablation
from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.search import Search, ordered
from radsweep.config.trial import Trial
from radsweep.config.tune import Tune
from radsweep.store.records import PlannedCell, TuningPlace

KeyOf = Callable[[Trial], str]
Changes = Mapping[str, Any]
FIRST_TUNING_START = 1_000_001  # from the base trial's: above the starts that an ablation's seeds can have


def plan_cells(experiment: Experiment, key_of: KeyOf) -> list[PlannedCell]:
    """List the cells known in advance: for a tuned ablation the tuning cells, for a search other than a grid none."""
    base = experiment.trial()
    if experiment.ablation is not None and experiment.ablation.tune is not None:
        return tuning_cells(base, experiment.ablation, experiment.ablation.tune, key_of)
    if experiment.ablation is not None:
        return ablation_cells(base, experiment.ablation, key_of)
    if experiment.search is None:
        return [planned(trial_with(base, fold), {}, key_of, number) for number, fold in enumerate(folds_of(base))]
    if experiment.search.algorithm == "grid":
        points = grid(base, experiment.search)
        return [planned(base, values, key_of, number) for number, values in enumerate(points)]
    return []


def planned(base: Trial, values: dict[str, Any], key_of: KeyOf, number: int, arm: str = "") -> PlannedCell:
    """Return the cell of the base trial with dotted keys set."""
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
    """Return the keys to set for each fold of a cross-validation; without one, a single empty entry."""
    return [{}] if base.data.folds is None else [{"data.fold": fold} for fold in range(base.data.folds)]


def ablation_cells(
    base: Trial, ablation: Ablation, key_of: KeyOf, chosen: Mapping[TuningPlace, Changes] | None = None
) -> list[PlannedCell]:
    """Return arms x sizes x replicates x starts x folds. A replicate has the same subset and start in every arm.

    Cells are ordered by size and replicate first, so that a sweep that ends early still compares whole sets of arms.

    Args:
        chosen: (arm, size, replicate) -> dotted values that tuning selected. Starts then differ from those used in
            tuning, and arms without values are left out.
    """
    sizes = ablation.pairs or (None,)
    replicates = itertools.product(range(ablation.seeds.most), range(ablation.seeds.init))
    arms = ablation.designed_arms(base)
    fresh = 0 if chosen is None else 1  # a tuning of all replicates ran on the seeds of the base trial
    tuned_replicates = ablation.tuned_replicates()
    cells: list[PlannedCell] = []
    for size, (subset, start), fold in itertools.product(sizes, list(replicates), folds_of(base)):
        seeds = {
            "data.seed": base.data.seed + fresh + subset,
            "train.seed": base.train.seed + fresh + subset * ablation.seeds.init + start,
        }
        sized = (seeds if size is None else seeds | {"data.pairs": size}) | fold
        own = ablation.seeds.independent_of(subset, start)
        replicate = own if own in tuned_replicates else None
        for arm, changes in arms.items():
            place = arm, size or base.data.pairs, replicate
            if chosen is not None and place not in chosen:
                continue
            tuned = {} if chosen is None else dict(chosen[place])
            cell = planned(base, sized | changes | tuned, key_of, len(cells), arm)
            how = {"tuning_trials": ablation.tune.trials if ablation.tune else 0, "tuning_replicate": replicate}
            cells.append(cell.model_copy(update={"changes": changes, "tuned": tuned, **how}))
    return cells


def tuning_cells(base: Trial, ablation: Ablation, tune: Tune, key_of: KeyOf) -> list[PlannedCell]:
    """Return sizes x tunings x arms x points; numbers follow those of the final cells.

    A replicate is tuned on its own subset, from a start of its own. A tuning that all replicates share is on the seeds
    of the base trial.
    """
    cells: list[PlannedCell] = []
    arms = ablation.designed_arms(base)
    trials = {arm: trial_with(base, changes).model_dump(mode="json") for arm, changes in arms.items()}
    replicates = ablation.tuned_replicates()
    for size, replicate, (arm, changes) in itertools.product(ablation.pairs or (None,), replicates, arms.items()):
        sized = {} if size is None else {"data.pairs": size}
        place = sized | _tuning_seeds(base, ablation, replicate)
        for number, point in enumerate(tune.points(arm, trials[arm], replicate)):
            cell = planned(base, place | changes | point, key_of, number_of_cells(base, ablation) + len(cells), arm)
            how = {"changes": changes, "tuned": point, "tuning": number, "tuning_replicate": replicate}
            cells.append(cell.model_copy(update=how))
    return cells


def _tuning_seeds(base: Trial, ablation: Ablation, replicate: int | None) -> dict[str, Any]:
    """The subset is the replicate's own, in `ablation_cells`; no final cell has the start, whatever `seeds` are."""
    if replicate is None:
        return {}
    subset = replicate if ablation.seeds.subset > 1 else 0
    start = base.train.seed + FIRST_TUNING_START + replicate
    return {"data.seed": base.data.seed + 1 + subset, "train.seed": start}


def number_of_cells(base: Trial, ablation: Ablation) -> int:
    """Number of cells of an ablation, without its tuning cells."""
    arms, sizes = len(ablation.designed_arms(base)), len(ablation.pairs or (None,))
    return arms * sizes * ablation.seeds.most * ablation.seeds.init * len(folds_of(base))


def cell_trial(base: Trial, cell: PlannedCell) -> Trial:
    """Return the trial of a planned cell."""
    places = {"data.seed": cell.subset_seed, "train.seed": cell.init_seed}
    if cell.pairs is not None:
        places["data.pairs"] = cell.pairs
    if cell.fold is not None:
        places["data.fold"] = cell.fold
    return trial_with(base, places | cell.changes | cell.tuned)


def grid(base: Trial, search: Search) -> list[dict[str, Any]]:
    """Return every combination of the space's values; a dimension whose condition fails is left out."""
    tree = base.model_dump(mode="json")
    points: list[dict[str, Any]] = [{}]
    for key in ordered(search.space):
        dimension = search.space[key]
        values = dimension.choice or tuple(range(int(dimension.extremes()[0]), int(dimension.extremes()[1]) + 1))
        grown: list[dict[str, Any]] = []
        for point in points:
            grown += [point | {key: value} for value in values] if dimension.applies(point, tree) else [point]
        points = grown
    return points
