"""A synthetic sweep's records, a migrated database to copy, and a real MLflow server that may be killed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from radsweep.spec.experiment import Experiment
from radsweep.spec.load import parse_experiment, trial_with
from radsweep.training.record import CellRecord, PlannedCell, SweepRecord, Validation

SELECT = "text_to_image/recall_at_10"
ARMS = {"baseline": {}, "local + crop": {"objective.local.weight": 1.0, "augment.image.crop": [0.8, 1.0]}}


def experiment() -> Experiment:
    ablation = {"arms": ARMS, "pairs": [100, 300], "seeds": 3}
    return parse_experiment(
        {"experiment": "low-data", "data": {"shards": "phantom:easy"}, "ablation": ablation}, "test"
    )


def cells() -> tuple[PlannedCell, ...]:
    places = [(arm, n, seed) for arm in ARMS for n in (100, 300) for seed in (1, 2, 3)]
    return tuple(
        PlannedCell(key=f"{i:04x}", arm=arm, changes=ARMS[arm], pairs=n, subset_seed=seed, number=i)
        for i, (arm, n, seed) in enumerate(places)
    )


def sweep(status: str = "running") -> SweepRecord:
    return SweepRecord(
        id="20261124-a1b2",
        name="low-data",
        kind="ablation",
        experiment=experiment().model_dump(mode="json"),
        select=f"val/{SELECT}",
        cells=cells(),
        baseline="baseline",
        status=status,  # type: ignore[arg-type]
        data={"name": "easy", "fingerprint": "d" * 16},
        code="c" * 16,
        git_commit="0" * 40,
        versions={"torch": "2.14.1"},
        ended="2026-11-24T12:00:00+00:00" if status == "finished" else "",
    )


def trial(cell: PlannedCell) -> dict[str, object]:
    return trial_with(experiment().trial(), cell.changes | {"data.pairs": cell.pairs}).model_dump(mode="json")


def record(cell: PlannedCell, status: str = "finished", looks: int = 3) -> CellRecord:
    rng = np.random.default_rng(cell.number)
    top = 0.3 + 0.1 * (cell.arm != "baseline") + 0.2 * (cell.pairs == 300) + rng.normal(0, 0.02)
    history = [
        Validation(
            epoch=i + 1,
            step=20 * (i + 1),
            seconds=float(i + 1),
            metrics={
                "train/loss": float(4 * np.exp(-i / 3)),
                f"val/{SELECT}": float(top * (1 - np.exp(-(i + 1) / 2))),
                "val/image_to_text/recall_at_10": float(top * (1 - np.exp(-(i + 1) / 2)) - 0.01),
            },
        )
        for i in range(looks)
    ]
    settings = trial_with(experiment().trial(), cell.changes | {"data.pairs": cell.pairs})
    return CellRecord(
        key=cell.key,
        trial=settings.model_dump(mode="json"),
        status=status,  # type: ignore[arg-type]
        error="the loss is NaN at step 40: lower train.learning_rate" if status == "failed" else None,
        pairs=cell.pairs or 0,
        history=tuple(history),
        best=history[-1].metrics if history else {},
        best_step=history[-1].step if history else 0,
        final={f"test/{SELECT}": float(top - 0.02)} if status == "finished" else {},
        converged=cell.pairs == 100,
        epochs=looks,
        steps=20 * looks,
        seconds={"training": 4.0, "total": 5.0},
        data="d" * 16,
        code="c" * 16,
        versions={"torch": "2.14.1"},
        started="2026-11-24T11:00:00+00:00",
        ended="2026-11-24T11:00:05+00:00",
    )


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """A sweep of 12 cells, 2 arms x 2 sizes x 3 seeds: its records."""
    return SimpleNamespace(sweep=sweep, trial=trial, record=record, experiment=experiment)


@pytest.fixture
def store(tmp_path: Path, template: Path) -> Path:
    shutil.copy(template, tmp_path / "mlflow.db")
    return tmp_path


def quiet_port() -> int:
    """A free port below those that systems hand out: while the server is away nobody, such as Ray, is given it."""
    for port in random.SystemRandom().sample(range(10_000, 30_000), 100):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


class Server:
    """`mlflow server` as a process of our own, killed and started again on the same port and database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = quiet_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1"]
        argv += ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        argv += ["--artifacts-destination", str(self.folder / "mlartifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            argv, env=os.environ | quiet, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
        )
        wait_until(self._answers)

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # its session is its own: the workers it started, no others
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(template, folder / "mlflow.db")
    running = Server(folder)
    try:
        running.start()
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], bool]], None]:
    return wait_until


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll; the suite's own limit ends what never comes true."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("never came true")
