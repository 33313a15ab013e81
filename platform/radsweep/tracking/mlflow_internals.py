"""Interfaces of MLflow that its documentation does not promise. No other module uses any."""

from __future__ import annotations

import logging
import os
from pathlib import Path


def make_database(path: Path, artifacts: str) -> None:
    """Make a SQLite database with all tables and close it; its default experiment has its artifacts at `artifacts`.

    MLflow's client makes one as well, but keeps it open, with artifacts in the current folder.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every migration since 2018
    SqlAlchemyStore(f"sqlite:///{path}", artifacts).engine.dispose()
