"""Trials that an experiment may run, before a search has suggested any."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.search import Search, ordered
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.sweep.design.planned_trials import ablation_cells, folds_of, grid, tuning_cells

STRUCTURE = ("adapt.", "model.", "data.source", "objective.text_ssl.kind")  # keys that decide which data a trial needs
MOST_COMBINATIONS = 10_000


def possible_trials(experiment: Experiment) -> Iterator[Trial]:
    """Yield the trials of a design; for a search, the base trial with each key at each of its extremes."""
    base = experiment.trial()
    if experiment.ablation is not None:
        trials: list[Trial] = []

        def keep(trial: Trial) -> str:
            trials.append(trial)
            return ""

        ablation_cells(base, experiment.ablation, keep)
        if (tune := experiment.ablation.tune) is not None:
            tuning_cells(base, experiment.ablation, tune, keep)
        yield from trials
    elif experiment.search is None:
        for fold in folds_of(base):
            yield trial_with(base, fold)
    elif experiment.search.algorithm == "grid":
        for values in grid(base, experiment.search):
            yield trial_with(base, values)
    else:
        yield base
        space = experiment.search.space
        chosen = {key for key, dimension in space.items() if dimension.choice and key.startswith(STRUCTURE)}
        for key, dimension in space.items():
            condition = dimension.condition
            if key in chosen and condition is not None and condition.key in chosen:
                continue  # without its condition it may not be valid: see `_combinations`
            for value in dimension.extremes():
                yield trial_with(base, {key: value})
        yield from _combinations(base, experiment.search, chosen)


def _combinations(base: Trial, search: Search, chosen: set[str]) -> Iterator[Trial]:
    """Yield every valid combination of the choices that decide which data and stages trials need."""
    choices = {key: search.space[key].choice or () for key in ordered(search.space) if key in chosen}
    tree = base.model_dump(mode="json")
    for combination in itertools.islice(itertools.product(*choices.values()), MOST_COMBINATIONS if choices else 0):
        values: dict[str, Any] = {}
        for key, value in zip(choices, combination, strict=True):
            condition = search.space[key].condition
            if condition is None or condition.key not in choices or search.space[key].applies(values, tree):
                values[key] = value
        with suppress(InputError):  # a condition on another key may exclude it
            yield trial_with(base, values)
