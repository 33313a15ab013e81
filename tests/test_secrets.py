"""A real driver reveals neither the password in the tracking URI nor tokens in the environment if MLflow refuses it."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.searched import marked

pytestmark = pytest.mark.slow

SECRET = "qzsecret"
PLATFORM = Path(__file__).resolve().parents[1] / "platform"
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": f"{SECRET}0token" + "0" * 50,
    "HF_TOKEN": f"{SECRET}-hub",
    "AWS_SECRET_ACCESS_KEY": f"{SECRET}-cloud",
    "MLFLOW_TRACKING_PASSWORD": f"{SECRET}-mlflow",
    "MLFLOW_TRACKING_USERNAME": "ann",
}


class Refusing(http.server.BaseHTTPRequestHandler):
    """MLflow server that refuses every password."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        told = f'{{"error_code": "UNAUTHENTICATED", "message": "{self.headers.get("Authorization")} {SECRET}-echo"}}'
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(told.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.mark.parametrize("fails", [False, True], ids=["a sweep to its end", "one that fails"])
def test_no_secret_is_in_store_logs_page_or_traceback(
    fails: bool, phantom: Path, short_folder: Path, refusing: int
) -> None:
    folder = short_folder / f"secret{fails}"
    folder.mkdir()
    tree = {
        "experiment": "secret",
        "data": {"shards": str(phantom), "pairs": 20},
        "model": {"image": {"size": 32}, "dim": 16},
        "train": {"until": "steps", "steps": 2, "batch_size": 10},
        "run": {
            "slots": 1,
            "store": str(folder / "store"),
            "tracking_uri": f"http://ann:{SECRET}-uri@127.0.0.1:{refusing}/?token={SECRET}-query",
        },
    }
    if fails:  # a crash within the trial, with a traceback in the workers' logs
        tree["train"]["learning_rate"] = 1e30  # type: ignore[index]
    (folder / "secret.yaml").write_text(yaml.safe_dump(tree))
    environment = os.environ | ENVIRONMENT | {"PYTHONPATH": str(PLATFORM), "RAY_TMPDIR": str(folder)}
    run = subprocess.run(
        [sys.executable, "-m", "radsweep", "sweep", str(folder / "secret.yaml")],
        env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    said = run.stdout + run.stderr
    assert run.returncode == int(fails), said
    assert Refusing.asked
    assert "refuses access" in said
    assert SECRET not in said
    (folder / "secret.yaml").unlink()
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"record.json", "sweep.json", "report.html", "raylet.out"} <= {path.name for path in files}
    assert any(path.parent.parent.name == "spool" for path in files)  # entries that wait for MLflow
    assert marked(folder, SECRET) == []
