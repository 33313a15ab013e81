"""Outcome of training a trial, and the position within an epoch from which a paused run resumes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radsweep.config.training import Convergence
from radsweep.store.records import Validation


def _no_seconds() -> dict[str, float]:
    return {"training": 0.0, "evaluation": 0.0, "checkpoint": 0.0}


@dataclass
class Outcome:
    """Names and meaning as in `CellRecord`; `stopped` is its status."""

    history: list[Validation] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    final: dict[str, float] = field(default_factory=dict)
    pool: dict[str, int] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    convergence: Convergence = "cannot tell"
    stopped: bool = False
    pairs: int = 0
    subset_sha256: str = ""
    epochs: int = 0
    steps: int = 0
    parameters: int = 0
    seconds: dict[str, float] = field(default_factory=_no_seconds)
    timestamps: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Within, time counts towards `seconds[part]`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - began

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"history": [validation.model_dump() for validation in self.history]}


def outcome_from_json(state: dict[str, Any]) -> Outcome:
    return Outcome(**state | {"history": [Validation.model_validate(entry) for entry in state["history"]]})


@dataclass
class Epoch:
    """Plain numbers, kept in the checkpoint."""

    batches: int = 0
    studies: int = 0
    seconds: float = 0.0
    logged: dict[str, list[float]] = field(default_factory=dict)

    def add(self, studies: int, values: dict[str, float]) -> None:
        self.batches += 1
        self.studies += studies
        for name, value in values.items():
            self.logged.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        """Means of the logged values, named `train/...`."""
        means = {f"train/{name}": float(np.mean(entries)) for name, entries in self.logged.items()}
        return means | {"train/samples_per_second": self.studies / self.seconds}
