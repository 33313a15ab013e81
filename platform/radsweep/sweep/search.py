"""Optuna asked for trials and told how they ended, as a Ray Tune searcher.

Ray's own OptunaSearch leaves a trial without an objective RUNNING for ever, and records stopped and failed ones as
COMPLETE; here stopped ones are PRUNED and failed ones FAIL, so TPE compares like with like.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from radsweep.spec.keys import get
from radsweep.spec.search import Dimension, Search, ordered
from radsweep.spec.trial import Trial
from radsweep.sweep.slot import AT_STEP, SCORE

INTERRUPTED = "interrupted"


class StudySearch(Searcher):
    """Suggests configurations of a space; `config_of` makes a slot's configuration of dotted values."""

    def __init__(
        self, search: Search, base: Trial, config_of: Callable[[dict[str, Any]], dict[str, Any]], name: str, file: Path
    ) -> None:
        super().__init__(metric=SCORE, mode="max")
        self.search, self.config_of = search, config_of
        self.base = base.model_dump(mode="json")
        self.study = open_study(search, name, file)
        self.asked: dict[str, optuna.Trial] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles what it is given for a restore that we never ask for."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.counted() >= self.search.trials:
            return Searcher.FINISHED
        trial = self.study.ask()
        self.asked[trial_id] = trial
        return self.config_of(suggest_values(self.search, self.base, trial))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if SCORE in result:
            self.asked[trial_id].report(result[SCORE], result[AT_STEP])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        trial = self.asked.pop(trial_id)
        scores = list(self.study.trials[trial.number].intermediate_values.values())
        if error or not result or result.get("status") == "failed" or not scores:
            self.study.tell(trial, state=TrialState.FAIL)
        elif result.get("done") and result.get("status") == "finished":
            self.study.tell(trial, max(scores))  # the selected checkpoint's
        else:
            self.study.tell(trial, state=TrialState.PRUNED)

    def counted(self) -> int:
        """Trials asked for so far, without those that an interruption cut short and that wait to be asked again."""
        trials = self.study.get_trials(deepcopy=False)
        return sum(t.state != TrialState.WAITING and INTERRUPTED not in t.user_attrs for t in trials)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is on disk."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


def open_study(search: Search, name: str, file: Path) -> optuna.Study:
    """The study of a sweep, in a SQLite file of its own that `optuna-dashboard` can open."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file.parent.mkdir(parents=True, exist_ok=True)
    sampler: optuna.samplers.BaseSampler
    if search.algorithm == "tpe":
        startup = max(5, min(10, search.trials // 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group: for conditions
            sampler = optuna.samplers.TPESampler(
                seed=search.seed, multivariate=True, group=True, n_startup_trials=startup, constant_liar=True
            )
    else:
        sampler = optuna.samplers.RandomSampler(seed=search.seed)
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    study = optuna.create_study(
        study_name=name, storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # of a driver that died
        study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def suggest_values(search: Search, base: dict[str, Any], trial: optuna.Trial) -> dict[str, Any]:
    """Dotted values of one trial; a key whose condition does not hold keeps the base's value."""
    values: dict[str, Any] = {}
    for key in ordered(search.space):
        dimension = search.space[key]
        condition = dimension.condition
        if condition is None or condition.holds(values.get(condition.key, get(base, condition.key))):
            values[key] = suggest(trial, key, dimension)
    return values


def suggest(trial: optuna.Trial, key: str, dimension: Dimension) -> Any:
    """Ask for one key. A choice is asked for by the number of its option, since options may be lists."""
    if dimension.choice is not None:
        return dimension.choice[trial.suggest_categorical(key, range(len(dimension.choice)))]
    if dimension.whole is not None:
        return trial.suggest_int(key, *dimension.whole)
    low, high = dimension.extremes()
    return trial.suggest_float(key, low, high, log=dimension.loguniform is not None)
