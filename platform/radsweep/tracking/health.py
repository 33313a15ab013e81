"""Single check that MLflow answers: its own client would try for minutes."""

from __future__ import annotations

import os
from pathlib import Path

from radsweep.errors import InputError
from radsweep.tracking.address import prepare, sanitise_uri

ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def experiments_at(uri: str, store: Path) -> bool:
    """Return True if there is any experiment yet; a missing SQLite database is created.

    Raises:
        InputError: no answer. The message gives the address without its password.
    """
    before = {name: os.environ.get(name) for name in ONCE}
    os.environ.update(ONCE)
    try:
        import mlflow

        return bool(mlflow.MlflowClient(prepare(uri, store)).search_experiments(max_results=1))
    except Exception as error:
        shown = sanitise_uri(uri)
        line = " ".join(str(error).replace(uri, shown).split())[:160]
        raise InputError(f"{shown} does not answer ({type(error).__name__}: {line})") from None
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
