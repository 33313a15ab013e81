"""Optuna study of a search: its database, its sampler, and suggestions of values.

A trial that was interrupted ends as FAIL, is marked, and is enqueued again: no study is left with a trial RUNNING.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from radsweep.config.search import Dimension, Search, ordered
from radsweep.errors import InputError
from radsweep.tracking.address import sanitise_uri

INTERRUPTED = "interrupted"  # user attribute of a trial that is enqueued again
CONTINUES = "continues"  # user attribute: number of the interrupted trial that this one continues
BRACKET = "bracket"  # user attribute: bracket in which it competes for more pairs
ENTRANT = "entrant"  # user attribute: its number in the bracket, that of the first trial with its values
LARGEST_COUNTED = 10_000  # points of a space that are enumerated at most


def storage_url(setting: str | None, folder: Path) -> str:
    """Return the address of the database: `run.optuna_storage`, else a SQLite file in the sweep's folder."""
    return setting or f"sqlite:///{folder / 'optuna.db'}"


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """Open Optuna's database and create missing tables.

    Raises:
        InputError: the database cannot be opened; the error has the address without its password.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # from SQLAlchemy or the database's driver, or since the driver is not installed
        kind = type(error.__cause__ or error).__name__
    raise InputError(
        f"cannot open {sanitise_uri(url)} ({kind}); give the URL of an existing database, such as "
        "postgresql://HOST/NAME, and install its driver (pip install 'psycopg[binary]')",
        key="run.optuna_storage",
    )


def open_study(search: Search, name: str, storage: optuna.storages.BaseStorage) -> optuna.Study:
    """Create or load the study with this name; trials that a dead driver left RUNNING are enqueued again."""
    directions = ["maximize"] if search.cost is None else ["maximize", "minimize"]
    study = optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        put_back(study, storage, trial)
    trials = study.get_trials(deepcopy=False)
    continued = {trial.user_attrs.get(CONTINUES) for trial in trials}
    for trial in trials:
        if INTERRUPTED in trial.user_attrs and trial.number not in continued:  # its driver died just before
            _ask_again(study, trial)
    return study


def put_back(study: optuna.Study, storage: optuna.storages.BaseStorage, trial: FrozenTrial | optuna.Trial) -> None:
    """End an interrupted trial as FAIL, and enqueue its values before any others."""
    study_id = storage.get_study_id_from_name(study.study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
    storage.set_trial_user_attr(trial_id, INTERRUPTED, True)
    study.tell(trial.number, state=TrialState.FAIL)
    _ask_again(study, trial)


def _ask_again(study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> None:
    kept = {key: trial.user_attrs[key] for key in (BRACKET, ENTRANT) if key in trial.user_attrs}
    study.enqueue_trial(trial.params, user_attrs=kept | {CONTINUES: trial.number})


def counts(trial: FrozenTrial) -> bool:
    """True if a trial of the study counts for the search: it does not wait, and was not enqueued again."""
    return trial.state != TrialState.WAITING and INTERRUPTED not in trial.user_attrs


def sampler(search: Search, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler for the number-th trial, with a seed of its own, so that a resumed search is the same."""
    seed = search.seed * 1_000_003 + number
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if search.algorithm == "tpe":
            startup = max(5, min(10, (search.most_trials or 32) // 3))
            return optuna.samplers.TPESampler(  # group: for conditions
                seed=seed, multivariate=True, group=True, n_startup_trials=startup, constant_liar=True
            )
        if search.algorithm == "cmaes":
            return optuna.samplers.CmaEsSampler(seed=seed)
        if search.algorithm == "nsga2":
            population = max(4, min(20, (search.most_trials or 80) // 4))
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=population)
    return optuna.samplers.RandomSampler(seed=seed)


def suggest_values(search: Search, base: Mapping[str, Any], trial: optuna.Trial) -> dict[str, Any]:
    """Suggest the dotted values of one trial; a key whose condition does not hold keeps the base's value."""
    values: dict[str, Any] = {}
    for key in ordered(search.space):
        if search.space[key].applies(values, base):
            values[key] = suggest(trial, key, search.space[key])
    return values


def suggest(trial: optuna.Trial, key: str, dimension: Dimension) -> Any:
    """Suggest the value of one key. A choice is suggested by the index of its option, since options may be lists."""
    if dimension.choice is not None:
        return dimension.choice[trial.suggest_categorical(key, range(len(dimension.choice)))]
    if dimension.int_ is not None:
        return trial.suggest_int(key, *dimension.int_)
    low, high = dimension.extremes()
    return trial.suggest_float(key, low, high, log=dimension.loguniform is not None)


def points_of_space(search: Search, base: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """List the parameters of each point of a space of choices and integers; None if the space is larger."""
    if any(dimension.choice is None and dimension.int_ is None for dimension in search.space.values()):
        return None
    if math.prod(len(_options(dimension)) for dimension in search.space.values()) > LARGEST_COUNTED:
        return None
    keys = ordered(search.space)
    found: dict[tuple[tuple[str, Any], ...], dict[str, Any]] = {}
    for values in itertools.product(*(_options(search.space[key]) for key in keys)):
        chosen = optuna.trial.FixedTrial(dict(zip(keys, values, strict=True)))
        suggest_values(search, base, chosen)
        found.setdefault(tuple(sorted(chosen.params.items())), chosen.params)
    return list(found.values())


def _options(dimension: Dimension) -> range:
    if dimension.choice is not None:
        return range(len(dimension.choice))
    assert dimension.int_ is not None
    return range(int(dimension.int_[0]), int(dimension.int_[1]) + 1)
