"""What is checked before a sweep starts anything: a wrong experiment costs a second, not a night."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from radsweep.augment.words import check_words
from radsweep.data.storage import check_address
from radsweep.errors import InputError
from radsweep.models.names import nearest
from radsweep.models.sources import check_model, check_vit
from radsweep.models.whole import fitting_settings
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import trial_with
from radsweep.spec.search import Search, ordered
from radsweep.spec.trial import Trial
from radsweep.sweep.plan import ablation_cells, folds_of, grid, tuning_cells
from radsweep.sweep.sources import check_sizes

# a sweep's data and measures are the same for all its trials
ONE_FOR_ALL = (
    "data.shards",
    "data.folds",
    "evaluate.select",
    "evaluate.tasks",
    "evaluate.sets",
    "evaluate.against",
)
PER_TASK = ("evaluate.zero_shot.", "evaluate.linear_probe.", "evaluate.class_retrieval.")
STRUCTURE = ("adapt.", "model.", "data.source", "objective.text_ssl.kind")  # keys of which data a trial needs
MOST_COMBINATIONS = 10_000
NEED_CHOICE = ("model.image.size",)  # each value means decoding all images again


def check_experiment(experiment: Experiment, where: str) -> None:
    """Refuse what could not run.

    Raises:
        InputError: names the file, the key and what to do.
    """
    for key in _varied_keys(experiment):
        if key in ONE_FOR_ALL or key.startswith(PER_TASK):
            raise InputError(f"{where}: {key} must be the same for all trials of a sweep; make one sweep of each value")
    if experiment.search is not None and "train.workers" in experiment.search.space:
        raise InputError(
            f"{where}: search.space.train.workers: slots are the same for all trials of a search, and so must be their "
            "workers; set train.workers, or compare numbers of workers in an ablation"
        )
    arms = experiment.ablation.designed_arms(experiment.trial()) if experiment.ablation else {}
    for arm in experiment.run.needs:
        if arm not in arms:
            raise InputError(f"{where}: run.needs: there is no arm {arm!r}{nearest(arm, arms)}")
    if "data.fold" in _varied_keys(experiment) or experiment.data.fold:
        raise InputError(f"{where}: data.fold: all folds of data.folds are run; leave it out")
    if experiment.ablation is not None and experiment.ablation.tune is not None and experiment.data.folds is not None:
        raise InputError(
            f"{where}: ablation.tune: with data.folds, settings would be chosen on patients that other folds test; "
            "leave one of them out"
        )
    if experiment.search is not None:
        if experiment.data.folds is not None:
            raise InputError(
                f"{where}: data.folds: a search is not cross-validated yet; search without folds, then set them in an "
                "ablation or `radsweep train` of what it found"
            )
        for key in NEED_CHOICE:
            if key in experiment.search.space and experiment.search.space[key].choice is None:
                raise InputError(f"{where}: search.space.{key}: use `choice`; each size is decoded and kept")
    trials = list(possible_trials(experiment))
    check_sizes(trials, where)
    try:
        for model in {trial.model for trial in trials}:
            check_model(model)
        for tower in {trial.model.image for trial in trials if trial.adapt.image.method == "mae"}:
            check_vit(tower)
        for words in {trial.augment.text.words for trial in trials if trial.augment.text.changes_words}:
            check_words(words)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    for key, place in [
        ("data.shards", experiment.data.shards),
        *(("evaluate.sets", s) for s in experiment.evaluate.sets),
    ]:
        try:
            check_address(place)
        except InputError as error:
            raise InputError(f"{where}: {key}: {error}") from None
    for name in experiment.evaluate.against:
        try:
            fitting_settings(name)
        except InputError as error:
            raise InputError(f"{where}: evaluate.against: {error}") from None


def possible_trials(experiment: Experiment) -> Iterator[Trial]:
    """The trials of a design; for a search, the base with each key at each of its extremes."""
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
                continue  # alone it may be what its condition keeps from being asked for: see `_combinations`
            for value in dimension.extremes():
                yield trial_with(base, {key: value})
        yield from _combinations(base, experiment.search, chosen)


def _combinations(base: Trial, search: Search, chosen: set[str]) -> Iterator[Trial]:
    """Every combination of the choices that decide which data and stages trials need, conditions between them kept."""
    choices = {key: search.space[key].choice or () for key in ordered(search.space) if key in chosen}
    tree = base.model_dump(mode="json")
    for combination in itertools.islice(itertools.product(*choices.values()), MOST_COMBINATIONS if choices else 0):
        values: dict[str, Any] = {}
        for key, value in zip(choices, combination, strict=True):
            condition = search.space[key].condition
            if condition is None or condition.key not in choices or search.space[key].applies(values, tree):
                values[key] = value
        with suppress(InputError):  # a condition on another key may keep it from being asked for
            yield trial_with(base, values)


def _varied_keys(experiment: Experiment) -> set[str]:
    keys = experiment.ablation.varied() if experiment.ablation else set()
    return keys | set(experiment.search.space if experiment.search else ())
