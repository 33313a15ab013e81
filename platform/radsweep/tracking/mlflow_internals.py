"""Interfaces of MLflow that its documentation does not promise. No other module uses any."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def make_database(path: Path, artifacts: str) -> None:
    """Make a SQLite database with all tables and close it; its default experiment has its artifacts at `artifacts`.

    MLflow's client makes one as well, but keeps it open, with artifacts in the current folder.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every migration since 2018
    SqlAlchemyStore(f"sqlite:///{path}", artifacts).engine.dispose()


def delete_artifacts(uri: str, tracking_uri: str, names: Iterable[str]) -> None:
    """Delete files and folders of a run's artifacts, as far as its server allows that.

    MLflow's client only deletes the artifacts of whole runs.

    Args:
        uri: `artifact_uri` of the run.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    artifacts = get_artifact_repository(uri, tracking_uri)
    for name in names:
        with suppress(Exception):  # not every server deletes files
            artifacts.delete_artifacts(name)
