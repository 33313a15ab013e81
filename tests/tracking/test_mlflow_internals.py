"""Interfaces that MLflow does not promise and radsweep relies on still exist and still work."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from radsweep.tracking.mlflow_internals import delete_artifacts, make_database


def test_a_database_is_made_with_its_tables_and_closed(tmp_path: Path) -> None:
    file, artifacts = tmp_path / "new.db", (tmp_path / "artifacts").as_uri()
    try:
        make_database(file, artifacts)
    except (ImportError, AttributeError, TypeError) as error:
        pytest.fail(
            f"MLflow {mlflow.__version__} does not create a database as radsweep requests it ({error}). Change "
            "tracking/mlflow_internals.py, or the upper bound of mlflow in pyproject.toml."
        )
    moved = file.rename(tmp_path / "moved.db")  # as `prepare` does: nothing may hold the file open
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved.db"]
    client = MlflowClient(tracking_uri=f"sqlite:///{moved}")
    assert client.get_experiment("0").artifact_location.startswith(artifacts)


def test_an_artifact_is_deleted_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    for name in ("best.yaml", "candidate.yaml"):
        (folder / name).write_text("x", encoding="utf-8")
    delete_artifacts(folder.as_uri(), f"sqlite:///{tmp_path / 'any.db'}", ["candidate.yaml", "winner"])
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["best.yaml"], (
        f"MLflow {mlflow.__version__} deletes artifacts in another way. Change tracking/mlflow_internals.py, or the "
        "upper bound of mlflow in pyproject.toml."
    )
