from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from radsweep.errors import InputError
from radsweep.tracking.mirror import Mirror
from radsweep.tracking.ui import addresses, ui_command


def test_a_databases_password_is_not_in_the_process_list(tmp_path: Path) -> None:
    command = ui_command("postgresql://ann:s3cret@db/mlflow", tmp_path, 5000)
    assert "s3cret" not in " ".join(command.argv)
    assert command.environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://ann:s3cret@db/mlflow"


def test_the_ui_only_listens_to_this_machine(tmp_path: Path) -> None:
    argv = ui_command("postgresql://db/mlflow", tmp_path, 5001).argv
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--port") + 1] == "5001"


def test_a_server_shows_its_own_ui(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="https://host is an MLflow server"):
        ui_command("https://ann:s3cret@host", tmp_path, 5000)


def test_an_experiment_that_is_not_there_yet_gives_the_front_page(store: Path) -> None:
    assert len(addresses(f"sqlite:///{store / 'mlflow.db'}", store, 5000, "unheard-of")) == 1


def test_an_experiments_views_are_linked_to(store: Path, made: SimpleNamespace) -> None:
    uri = f"sqlite:///{store / 'mlflow.db'}"
    with Mirror(uri, store, made.sweep()) as mirror:
        mirror.start_sweep()
    _, trials, arms, curves, sweeps = addresses(uri, store, 5000, "low-data")
    assert trials.endswith("/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=radsweep-trials")
    assert arms.endswith("viewStateShareKey=radsweep-arms")
    assert curves.endswith("viewStateShareKey=radsweep-arms&compareRunsMode=CHART")
    assert sweeps.endswith("viewStateShareKey=radsweep-sweeps")
