"""Database of a study: Optuna's own dashboard opens it, and errors do not show its password."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from optuna.trial import TrialState

from radsweep.config.search import Search
from radsweep.errors import InputError
from radsweep.sweep.search.optuna_study import (
    INTERRUPTED,
    counts,
    open_storage,
    open_study,
    points_of_space,
    storage_url,
)

SPACE = {
    "objective.local.weight": {"choice": [0.0, 1.0]},
    "train.patience": {"int": [2, 4], "only_if": "objective.local.weight > 0"},
}


def test_a_study_is_in_its_sweeps_folder_or_in_the_database_of_the_experiment(tmp_path: Path) -> None:
    assert storage_url(None, tmp_path) == f"sqlite:///{tmp_path}/optuna.db"
    assert storage_url("postgresql://host/name", tmp_path) == "postgresql://host/name"


def test_a_database_that_cannot_be_opened_is_reported_without_its_password() -> None:
    with pytest.raises(InputError) as caught:
        open_storage("postgresql://someone:hunter2@127.0.0.1:1/name")
    assert str(caught.value).startswith("run.optuna_storage: cannot open postgresql://127.0.0.1:1/name (")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None  # no traceback of the database, which may contain it


def test_points_whose_condition_fails_are_one() -> None:
    search = Search.model_validate({"space": SPACE})
    found = points_of_space(search, {"objective": {"local": {"weight": 0.0}}})
    weight, patience = "objective.local.weight", "train.patience"
    assert found == [{weight: 0}, *({weight: 1, patience: n} for n in (2, 3, 4))]
    wide = Search.model_validate({"space": {"train.warmup": {"uniform": [0, 0.5]}}})
    assert points_of_space(wide, {}) is None


def test_a_trial_that_a_dead_driver_left_running_is_enqueued_again(tmp_path: Path) -> None:
    search, storage = Search.model_validate({"space": SPACE}), open_storage(f"sqlite:///{tmp_path}/optuna.db")
    dead = open_study(search, "study", storage).ask()
    dead.suggest_int("train.patience", 2, 4)
    trials = open_study(search, "study", storage).trials
    assert [trial.state for trial in trials] == [TrialState.FAIL, TrialState.WAITING]
    assert not any(map(counts, trials))


def test_a_trial_whose_driver_died_before_enqueueing_it_is_enqueued_once(tmp_path: Path) -> None:
    search, storage = Search.model_validate({"space": SPACE}), open_storage(f"sqlite:///{tmp_path}/optuna.db")
    study = open_study(search, "study", storage)
    trial = study.ask()
    patience = trial.suggest_int("train.patience", 2, 4)
    trial.set_user_attr(INTERRUPTED, True)
    study.tell(trial, state=TrialState.FAIL)
    for _ in range(2):
        study = open_study(search, "study", storage)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    assert study.ask().suggest_int("train.patience", 2, 4) == patience


def test_optunas_dashboard_shows_the_study(tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard")
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = open_study(Search.model_validate({"space": SPACE}), "our-sweep", open_storage(url))
    for state, value in ((TrialState.COMPLETE, 0.5), (TrialState.PRUNED, None), (TrialState.FAIL, None)):
        study.tell(study.ask(), value, state=state)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = Path(sys.executable).with_name("optuna-dashboard")
    server = subprocess.Popen([command, url, "--port", str(port)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        (shown,) = _ask(f"http://127.0.0.1:{port}/api/studies", server)["study_summaries"]
        assert shown["study_name"] == "our-sweep"
        trials = _ask(f"http://127.0.0.1:{port}/api/studies/{shown['study_id']}?after=0", server)["trials"]
        assert [trial["state"] for trial in trials] == ["Complete", "Pruned", "Fail"]
    finally:
        server.terminate()
        server.wait()


def _ask(url: str, server: subprocess.Popen[bytes]) -> dict[str, list[dict[str, str]]]:
    for _ in range(300):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                found: dict[str, list[dict[str, str]]] = json.load(answer)
                return found
        except OSError:
            time.sleep(1)
    raise AssertionError(f"no answer from {url}")
