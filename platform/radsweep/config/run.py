"""`run`: the store, the tracking server, and what workers reserve."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from radsweep.config.paths import absolute
from radsweep.config.settings import Settings


def _part_or_whole(value: float | None) -> float | None:
    if value is not None and value > 1 and value != int(value):
        raise ValueError(f"{value:g}: a part of one GPU, or a whole number of GPUs")
    return value


Gpus = Annotated[float | None, AfterValidator(_part_or_whole)]


class Needs(Settings):
    """Resources of each worker of one arm's trials, if they differ from those of `run`."""

    cpus_per_worker: float | None = Field(default=None, gt=0, description="CPUs, instead of run.cpus_per_worker")
    gpus_per_worker: Gpus = Field(default=None, gt=0, description="GPUs, instead of run.gpus_per_worker")


class Run(Settings):
    """The place that a sweep runs in. Its numbers do not depend on it."""

    store: str | None = Field(
        default=None, description="Folder of records, checkpoints and reports; else RADSWEEP_STORE, else ~/radsweep"
    )
    archive: str | None = Field(
        default=None,
        description="s3://BUCKET/PATH, gs://BUCKET/PATH or a folder, to which finished trials, stages and reports go "
        "as well, and the place to look for them; else RADSWEEP_ARCHIVE, else none",
    )
    tracking_uri: str | None = Field(
        default=None, description="MLflow tracking server or database; else MLFLOW_TRACKING_URI, else the store's"
    )
    optuna_storage: str | None = Field(
        default=None,
        description="Database of a search's Optuna study, such as postgresql://HOST/NAME; else a SQLite file, "
        "optuna.db, in the sweep's folder",
    )
    slots: int | None = Field(
        default=None, ge=1, description="Trials at once; else as many as the cluster has room for"
    )
    cpus_per_worker: float = Field(default=1, gt=0, description="CPUs a Ray Train worker reserves")
    gpus_per_worker: Gpus = Field(
        default=None,
        ge=0,
        description="GPUs a worker reserves, else 1 where the cluster has GPUs; 0.25 puts four slots on each GPU",
    )
    needs: dict[str, Needs] = Field(
        default={}, description="Arm: what its workers reserve instead; arms of like needs run one after another"
    )

    @field_validator("archive")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        """Jobs and later commands run in other folders."""
        return value if value is None or "://" in value else absolute(value)
