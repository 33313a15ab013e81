"""`radsweep sync`: waiting results are sent to MLflow once, and nothing is lost while it is still away."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from radsweep.cli.app import app
from radsweep.store.store import Store
from radsweep.tracking.mirror import Mirror, spool_folder


def sync(*options: str) -> Result:
    return CliRunner().invoke(app, ["sync", *options])


@pytest.fixture
def away() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://ann:qzsecret@127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def waiting(store: Path, made: SimpleNamespace, away: str) -> Path:
    sweep = made.sweep("finished")
    Store(store).write_sweep(sweep)
    with Mirror(away, store, sweep) as mirror:
        mirror.start_sweep()
        for cell in sweep.cells[:2]:
            mirror.start_trial(cell, made.trial(cell))
            mirror.finish_trial(made.record(cell))
        mirror.finish_sweep(sweep, {}, None)
    assert mirror.pending == 6
    return store


def test_waiting_results_are_sent_once(waiting: Path, made: SimpleNamespace) -> None:
    sent = sync("--store", str(waiting))  # the sweep's record does not name a server: the store's own database
    assert sent.exit_code == 0, sent.output
    assert "6 entries sent" in sent.output
    client = MlflowClient(f"sqlite:///{waiting / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("low-data")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    again = sync("--store", str(waiting))
    assert (again.exit_code, len(client.search_runs([experiment.experiment_id]))) == (0, 3)
    assert "Nothing waits" in again.output


def test_an_unreachable_server_loses_nothing_and_no_password_is_printed(
    waiting: Path, made: SimpleNamespace, away: str
) -> None:
    ended = sync("low-data", "--store", str(waiting), "--tracking-uri", away)
    assert ended.exit_code == 1
    assert "cannot be reached; 6 entries wait" in ended.output
    assert "qzsecret" not in ended.output
    assert len(list(spool_folder(waiting, made.sweep().id).glob("*.json"))) == 6


def test_a_sweep_of_another_version_is_only_sent_to_a_given_address(waiting: Path, made: SimpleNamespace) -> None:
    sweep = made.sweep("finished")
    old = sweep.experiment | {"run": {"tracking_uri": "http://nowhere", "unknown": 1}}
    Store(waiting).write_sweep(sweep.model_copy(update={"experiment": old}))
    ended = sync("--store", str(waiting))
    assert ended.exit_code == 1
    assert "another version of radsweep ran it; give the MLflow to send to with --tracking-uri" in ended.output
    assert "only that version can send it to its archive" in ended.output
    assert len(list(spool_folder(waiting, sweep.id).glob("*.json"))) == 6, "nothing is sent elsewhere"
    sent = sync("--store", str(waiting), "--tracking-uri", f"sqlite:///{waiting / 'mlflow.db'}")
    assert "6 entries sent" in sent.output


def test_a_password_is_taken_from_the_environment_if_its_address_is_the_same(
    waiting: Path, made: SimpleNamespace, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from radsweep.cli.sync import _address

    recorded = away.replace("ann:qzsecret@", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", away)
    assert _address(recorded) == away
    assert _address("http://elsewhere:5000") == "http://elsewhere:5000"
    assert _address(None) is None  # the sweep asked for no address of its own: `tracking_uri` decides
