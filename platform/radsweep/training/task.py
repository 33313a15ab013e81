"""A task for a group of workers. Apart from `runner.py`, which needs PyTorch: those who hand tasks on do without."""

from __future__ import annotations

from typing import Any, NamedTuple

STOP, CONTINUE, PAUSE = range(3)  # answers to a run that asks; False and True are the first two


class Task(NamedTuple):
    """A task for a worker group. `data` names the prepared data among those of the sweep."""

    key: str
    trial: dict[str, Any]
    folder: str
    data: str
    read_test: bool
    code: str
    versions: dict[str, str]
    stages: dict[str, str]  # image or text -> key of the stage that the trial starts from
    sweep: str = ""  # id of the one that asks
    stage: str = ""  # image or text, where the task is that stage of the trial and not the trial
