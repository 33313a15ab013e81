"""A sweep on a department's services: shards, artifacts and an archive in S3, MLflow with passwords and Optuna's study
on PostgreSQL. It ends with the numbers of a sweep on a disk and SQLite, and leaves no password anywhere."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from radsweep.config.load import parse_experiment
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.run import run_sweep

mlflow = pytest.importorskip("mlflow")
boto3 = pytest.importorskip("boto3")
pytest.importorskip("flask_wtf")  # needed for MLflow's passwords
psycopg = pytest.importorskip("psycopg")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("ray_session"),
    pytest.mark.skipif(shutil.which("initdb") is None, reason="no PostgreSQL: initdb is not on the PATH"),
]
PASSWORD, BUCKET = "qzpassword12345", "department"


@pytest.fixture(scope="module")
def database(short_folder: Path, free_port: Callable[[], int], wait: Callable[..., None]) -> Iterator[str]:
    """The address of a PostgreSQL server that asks for a password."""
    folder, port = short_folder / "postgres", free_port()
    folder.mkdir()
    secret = short_folder / "postgres-password"
    secret.write_text(PASSWORD)
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        someone = next(entry for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody"))
        for place in (folder, secret):
            os.chown(place, someone.pw_uid, someone.pw_gid)
        short_folder.chmod(0o755)
        user = {"user": someone.pw_uid, "group": someone.pw_gid}
    settings = ["--auth", "scram-sha-256", "--pwfile", str(secret), "--username", "department", "--no-sync"]
    subprocess.run(["initdb", "-D", folder, *settings], check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
    argv = ["postgres", "-D", str(folder), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
    with (short_folder / "postgres.log").open("w") as log:
        server = subprocess.Popen(argv, cwd="/", stdout=log, stderr=log, **user)
    try:
        wait(lambda: "ready to accept connections" in (short_folder / "postgres.log").read_text())
        address = f"postgresql://department:{PASSWORD}@127.0.0.1:{port}"
        with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
            for name in ("mlflow", "optuna"):  # both have a table with the same name for their migrations
                connection.execute(f"CREATE DATABASE {name}")
        yield address
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for its clients
        server.wait(timeout=60)


@pytest.fixture(scope="module")
def shards(phantom_in: Callable[[str], str]) -> str:
    return phantom_in(BUCKET)


@pytest.fixture(scope="module")
def tracking(
    database: str,
    shards: str,
    short_folder: Path,
    free_port: Callable[[], int],
    answering: Callable[[str], bool],
    wait: Callable[..., None],
) -> Iterator[str]:
    """The address of an MLflow with users, its runs on PostgreSQL and its artifacts in the bucket of the shards."""
    settings = short_folder / "auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
        f"admin_password = {PASSWORD}\ndatabase_uri = sqlite:///{short_folder / 'users.db'}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    address = f"http://127.0.0.1:{free_port()}"
    argv = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--port", address.rpartition(":")[2]]
    argv += ["--workers", "1", "--backend-store-uri", f"{database}/mlflow"]
    argv += ["--artifacts-destination", f"s3://{BUCKET}/mlflow"]
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key of the test"}
    with (short_folder / "mlflow.log").open("w") as log:
        server = subprocess.Popen(
            argv, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True, cwd=short_folder
        )

    def answers() -> bool:
        assert server.poll() is None, (short_folder / "mlflow.log").read_text()[-2000:]
        return answering(f"{address}/health")

    patch = pytest.MonkeyPatch()
    patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    try:
        wait(answers)
        yield address
    finally:
        patch.undo()
        os.killpg(server.pid, 15)
        server.wait(timeout=60)


def sweep(store: Path, shards: str, design: dict[str, Any], **run: str) -> SweepRecord:
    tree = {
        "experiment": "services",
        "data": {"shards": shards, "pairs": 40},
        "model": {"image": {"size": 32}, "dim": 32},
        "train": {"until": "steps", "steps": 6, "batch_size": 16, "learning_rate": 1e-3},
        "adapt": {"text": {"steps": 4, "batch_size": 16}},
        "evaluate": {"every_steps": 3},
        "run": {"store": str(store), "slots": 2} | run,
    }
    return run_sweep(parse_experiment(tree | design, "services.yaml"))


ABLATION = {"ablation": {"arms": {"baseline": {}, "adapted": {"adapt.text.method": "mlm"}}, "seeds": 2}}


def table(store: Path, record: SweepRecord) -> dict[str, Any]:
    """The numbers and comparisons of the report, without its sentences, which contain times."""
    found = json.loads((Store(store).report_folder(record) / "report.json").read_text())
    assert found["measures"]
    return {key: found[key] for key in ("measures", "effects", "curves")}


def test_the_table_equals_that_of_a_disk_and_sqlite(
    short_folder: Path, phantom: Path, shards: str, tracking: str, object_store: str
) -> None:
    here, there, later = (short_folder / name for name in ("here", "there", "later"))
    plain = sweep(here, str(phantom), ABLATION)
    archive = f"s3://{BUCKET}/archive"
    served = sweep(there, shards, ABLATION, tracking_uri=tracking, archive=archive)
    assert (plain.status, served.status) == ("finished", "finished")
    assert table(here, plain) == table(there, served)
    finals = [
        {key: one.final for key, one in Store(place).read_records(record).items()}
        for place, record in ((here, plain), (there, served))
    ]
    assert finals[0] == finals[1]

    client = mlflow.MlflowClient(tracking)
    experiment = client.get_experiment_by_name("services")
    runs = client.search_runs([experiment.experiment_id])
    roles = sorted(run.data.tags["radsweep.role"] for run in runs)
    assert roles == ["stage", "sweep", "trial", "trial", "trial", "trial"]
    listed = boto3.client("s3", endpoint_url=object_store).list_objects_v2(Bucket=BUCKET)["Contents"]
    names = [found["Key"] for found in listed]
    assert any(name.startswith("mlflow/") and name.endswith("report.html") for name in names)
    (stage,) = served.stages
    assert f"archive/stages/{stage.key}/checkpoint/model.safetensors" in names
    assert f"archive/sweeps/{served.id}/report/report.html" in names

    again = sweep(later, shards, ABLATION, tracking_uri=tracking, archive=archive)  # as on another cluster
    assert (again.cost["trials_run"], again.cost["trials_reused"]) == (0, 4)
    assert table(later, again) == table(there, served)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_PASSWORD", "another")
        with pytest.raises(mlflow.exceptions.MlflowException):
            mlflow.MlflowClient(tracking).search_experiments()
    check_no_password(there, later)


def test_a_searchs_study_is_in_the_database(short_folder: Path, shards: str, tracking: str, database: str) -> None:
    store = short_folder / "search"
    space = {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}, "objective.local.weight": {"choice": [0.0, 1.0]}}
    design = {"search": {"space": space, "trials": 4, "scheduler": "none"}}
    record = sweep(store, shards, design, tracking_uri=tracking, optuna_storage=f"{database}/optuna")
    assert record.status == "finished"
    study = optuna.load_study(study_name=record.id, storage=f"{database}/optuna")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    records = Store(store).read_records(record)
    assert sorted(trial.value for trial in study.trials) == sorted(one.best[record.select] for one in records.values())
    check_no_password(store)


def check_no_password(*stores: Path) -> None:
    for file in (file for store in stores for file in store.rglob("*") if file.is_file()):
        assert PASSWORD.encode() not in file.read_bytes(), file
