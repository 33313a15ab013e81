"""The MLflow UI on the store's database, for this machine's own browser."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

from radsweep.errors import InputError
from radsweep.tracking.address import artifact_root, is_database, prepare, sanitise_uri
from radsweep.tracking.views import pages

HOST = "127.0.0.1"


class ServerCommand(NamedTuple):
    argv: list[str]
    environment: dict[str, str]  # holds the database's address, which may hold a password: not for the argument list


def ui_command(uri: str, store: Path, port: int) -> ServerCommand:
    """Build the command that starts an MLflow server on a database.

    Raises:
        InputError: the URI is a server's own, which shows its UI itself.
    """
    if not is_database(uri):
        raise InputError(f"{sanitise_uri(uri)} is an MLflow server: open it in a browser")
    argv = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    environment = {
        "MLFLOW_BACKEND_STORE_URI": prepare(uri, store),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(artifact_root(uri, store)),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # agents' evaluation: not used, and a process more
    }
    return ServerCommand(argv, environment)


def serve_ui(uri: str, store: Path, port: int = 5000, experiment: str | None = None) -> NoReturn:
    """Print the UI's address and pages, then become its server, which ends with Ctrl-C or SIGTERM.

    `experiment` names the MLflow experiment whose saved views are linked to.

    Raises:
        InputError: the port is taken, or the URI is a server's own.
    """
    command = ui_command(uri, store, port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise InputError(f"port {port} is taken. If the UI is not running already, give another --port") from None
    for line in addresses(uri, store, port, experiment):
        print(line, flush=True)
    os.execve(command.argv[0], command.argv, os.environ | command.environment)


def addresses(uri: str, store: Path, port: int, experiment: str | None) -> list[str]:
    """Return lines to print: the UI's address, and the pages that an experiment's saved views open."""
    base = f"http://{HOST}:{port}"
    lines = [f"MLflow UI: {base}   (Ctrl-C ends it)"]
    if experiment:
        from radsweep.tracking.runs import find_experiment  # MLflow's imports take a second

        found = find_experiment(prepare(uri, store), experiment)
        shown = pages(found.tags, found.experiment_id) if found else {}
        lines += [f"  {what}: {base}{page}" for what, page in shown.items()]
    return lines
