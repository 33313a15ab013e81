"""Entries that wait to be written to MLflow: each is one run's next piece, self-contained and safe to send twice."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Step(BaseModel):
    """Metrics of one validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: int  # optimiser steps completed
    time: int  # milliseconds since 1970, UTC
    metrics: dict[str, float]


class Entry(BaseModel):
    """A run is known by sweep, cell and place; it is made when the first entry about it arrives."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    experiment: str  # MLflow experiment: the experiment file's name
    sweep: str
    cell: str = ""  # key of the trial; empty for the sweep's own run
    place: int = 0  # number in the plan: two places may hold one cell
    time: int  # milliseconds since 1970, UTC: when it happened
    started: int | None = None  # when the run began, if that is not when it happened
    name: str
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    history: tuple[Step, ...] = ()  # a step that the run already has is left out
    summary: tuple[Step, ...] = ()  # single values: best/, final/, seconds/, statistics
    starts_from: dict[str, str] = {}  # image or text -> key of the adaptation stage, whose run is linked
    status: RunStatus | None = None
    texts: dict[str, str] = {}  # {artifact name: text}
    artifacts: str | None = None  # folder whose files are logged
    files: tuple[str, ...] = ()  # of the store, logged under their own names; one that is not there is left out
    experiment_tags: dict[str, str] = {}


def allowed_name(name: str) -> str:
    """Return `name` with only the characters that MLflow allows: letters, digits, _ - . : / and spaces."""
    return re.sub(r"[^\w./: -]", "_", name.replace("@", "_at_").replace("+", "and"), flags=re.ASCII).strip("/")
