"""The Optuna study of a search: its database, its sampler, and values of a space asked for.

A trial that an interruption cut short is told FAIL, marked, and waits to be asked for again: no study is left with a
trial RUNNING.
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

INTERRUPTED = "interrupted"  # user attribute of a trial that waits to be asked for again
CONTINUES = "continues"  # user attribute: number of the interrupted trial that this one goes on with
BRACKET = "bracket"  # user attribute: with which others it competes for more pairs
ENTRANT = "entrant"  # user attribute: its number there, that of the trial which was asked for first
LARGEST_COUNTED = 10_000  # points of a space


def storage_url(setting: str | None, folder: Path) -> str:
    """`run.optuna_storage`, else a SQLite file in the sweep's folder."""
    return setting or f"sqlite:///{folder / 'optuna.db'}"


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """Optuna's database, its tables made where they are missing.

    Raises:
        InputError: it cannot be opened; the address is told without its password.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # of SQLAlchemy, of the database's driver, or a driver that is not installed
        kind = type(error.__cause__ or error).__name__
    raise InputError(
        f"{sanitise_uri(url)} cannot be opened ({kind}); give the URL of a database that is there, such as "
        "postgresql://HOST/NAME, and install its driver (pip install 'psycopg[binary]')",
        key="run.optuna_storage",
    )


def open_study(search: Search, name: str, storage: optuna.storages.BaseStorage) -> optuna.Study:
    """The study of that name, made or gone on with; what a driver that died left RUNNING waits to be asked again."""
    directions = ["maximize"] if search.cost is None else ["maximize", "minimize"]
    study = optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        put_back(study, storage, trial)
    trials = study.get_trials(deepcopy=False)
    gone_on_with = {trial.user_attrs.get(CONTINUES) for trial in trials}
    for trial in trials:
        if INTERRUPTED in trial.user_attrs and trial.number not in gone_on_with:  # its driver died just before
            _ask_again(study, trial)
    return study


def put_back(study: optuna.Study, storage: optuna.storages.BaseStorage, trial: FrozenTrial | optuna.Trial) -> None:
    """Tell FAIL of a trial that was cut short, and ask for its values again before any others."""
    study_id = storage.get_study_id_from_name(study.study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
    storage.set_trial_user_attr(trial_id, INTERRUPTED, True)
    study.tell(trial.number, state=TrialState.FAIL)
    _ask_again(study, trial)


def _ask_again(study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> None:
    kept = {key: trial.user_attrs[key] for key in (BRACKET, ENTRANT) if key in trial.user_attrs}
    study.enqueue_trial(trial.params, user_attrs=kept | {CONTINUES: trial.number})


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial of the study is one of the search's: not one that waits, nor one that was asked again since."""
    return trial.state != TrialState.WAITING and INTERRUPTED not in trial.user_attrs


def sampler(search: Search, number: int) -> optuna.samplers.BaseSampler:
    """The sampler for the number-th trial: its seed is of that trial, so that a search goes on as if never cut."""
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
    """Dotted values of one trial; a key whose condition does not hold keeps the base's value."""
    values: dict[str, Any] = {}
    for key in ordered(search.space):
        if search.space[key].applies(values, base):
            values[key] = suggest(trial, key, search.space[key])
    return values


def suggest(trial: optuna.Trial, key: str, dimension: Dimension) -> Any:
    """Ask for one key. A choice is asked for by the number of its option, since options may be lists."""
    if dimension.choice is not None:
        return dimension.choice[trial.suggest_categorical(key, range(len(dimension.choice)))]
    if dimension.int_ is not None:
        return trial.suggest_int(key, *dimension.int_)
    low, high = dimension.extremes()
    return trial.suggest_float(key, low, high, log=dimension.loguniform is not None)


def points_of_space(search: Search, base: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """What Optuna would be asked for at each point of a space of choices and whole numbers; None of a larger one."""
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
