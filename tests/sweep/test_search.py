"""Optuna asked and told: conditions, seeds, states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from radsweep.spec.search import Search
from radsweep.spec.trial import Data, Trial
from radsweep.sweep.search import StudySearch

SPACE = {
    "objective.local.attention": {"loguniform": [1, 10], "only_if": "objective.local.weight > 0"},
    "objective.local.weight": {"choice": [0.0, 1.0]},
    "augment.image.crop": {"choice": [[0.6, 1.0], [0.8, 1.0]]},
    "train.warmup": {"uniform": [0.0, 0.3]},
    "train.patience": {"int": [2, 5]},
}


def searcher(file: Path, **settings: Any) -> StudySearch:
    search = Search.model_validate({"space": SPACE, "trials": 12} | settings)
    return StudySearch(search, Trial(data=Data(shards="x")), lambda values: values, "study", file)


def asked(search: StudySearch, count: int = 12) -> list[Any]:
    found = []
    for number in range(count):
        found.append(search.suggest(str(number)))
        search.on_trial_result(str(number), {"score": number / 10, "at_step": 5})
        search.on_trial_complete(str(number), {"done": True, "status": "finished"})
    return found


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_the_same_seed_asks_for_the_same_trials(algorithm: str, tmp_path: Path) -> None:
    first, again, other = (
        asked(searcher(tmp_path / f"{name}.db", algorithm=algorithm, seed=seed))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == again
    assert first != other


def test_values_lie_in_their_space_and_conditions_hold(tmp_path: Path) -> None:
    for values in asked(searcher(tmp_path / "a.db", algorithm="random")):
        assert ("objective.local.attention" in values) == (values["objective.local.weight"] > 0)
        assert 1 <= values.get("objective.local.attention", 1) <= 10
        assert values["augment.image.crop"] in ((0.6, 1.0), (0.8, 1.0))
        assert 0 <= values["train.warmup"] <= 0.3
        assert values["train.patience"] in (2, 3, 4, 5)


def test_stopped_trials_are_pruned_and_failed_ones_fail(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db")
    for number in range(4):
        search.suggest(str(number))
    search.on_trial_result("0", {"score": 0.2, "at_step": 5})
    search.on_trial_result("0", {"score": 0.1, "at_step": 10})
    search.on_trial_complete("0", {"done": True, "status": "finished"})
    search.on_trial_result("1", {"score": 0.2, "at_step": 5})
    search.on_trial_complete("1", {"done": False})
    search.on_trial_complete("2", {"done": True, "status": "failed"})
    search.on_trial_complete("3", None, error=True)
    states = [trial.state for trial in search.study.trials]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.FAIL]
    assert search.study.trials[0].value == 0.2  # of the selected checkpoint, not the last


def test_no_more_than_the_trials_asked_for(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", trials=2)
    asked(search, 2)
    assert search.suggest("2") == Searcher.FINISHED


def test_trials_of_a_driver_that_died_are_asked_for_again(tmp_path: Path) -> None:
    dead = searcher(tmp_path / "a.db", trials=3)
    asked(dead, 1)
    lost = dead.suggest("lost")
    resumed = searcher(tmp_path / "a.db", trials=3)
    assert resumed.counted() == 1
    assert resumed.suggest("0") == lost
    resumed.suggest("1")
    assert resumed.suggest("2") == Searcher.FINISHED
    states = [
        trial.state for trial in optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'a.db'}").trials
    ]
    assert states.count(TrialState.RUNNING) == 2
