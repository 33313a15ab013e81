"""Phases of a sweep, and its end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from radsweep.config.load import parse_experiment
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.sweep.phases import Phases

SELECT = "val/text_to_image/recall_at_10"
CELL = PlannedCell(key="one", arm="baseline")
ARMS = {"arms": {"baseline": {}, "local": {"objective.local.weight": 1}}}
SPACE = {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}
MODELS = {"evaluate": {"public_models": ["openai/clip"]}}
SEARCH = {"search": {"trials": 3, "space": SPACE}}


class Recorded(Phases):
    """Phases that only note their names; one of them may be interrupted."""

    def __init__(self, interrupted: str, whole: bool, **parts: Any) -> None:
        experiment = parse_experiment({"experiment": "x", "data": {"shards": "somewhere"}, **parts}, "x.yaml")
        setup: Any = SimpleNamespace(experiment=experiment, base=experiment.trial())
        store: Any = SimpleNamespace(scratch_folder=Path)
        record = CellRecord(key="one", trial={}, status="finished")
        watch: Any = SimpleNamespace(console=None, ended={"one": record}, collect=lambda cells: None)
        sweep = SweepRecord(id="x", name="x", kind="train", experiment={}, select=SELECT, cells=(CELL,))
        super().__init__(setup, store, sweep, watch)
        self.interrupted, self.whole = interrupted, whole
        self.ran: list[str] = []

    def _note(self, phase: str) -> bool:
        self.ran.append(phase)
        if phase == self.interrupted:
            raise KeyboardInterrupt
        return self.whole

    def tuned(self, ablation: Any) -> bool:
        return self._note("tuned")

    def search(self, search: Any, storage: Any) -> bool:
        return self._note("search")

    def design(self, cells: Any, read_test: bool, later: Any = ()) -> None:
        self._note("design, test read" if read_test else "design")

    def test_of_winner(self) -> None:
        self._note("test of winner")

    def references(self) -> None:
        self._note("references")


@pytest.mark.parametrize(
    ("parts", "storage", "phases"),
    [
        ({}, False, ["design, test read"]),
        ({"ablation": ARMS} | MODELS, False, ["design, test read", "references"]),
        ({"ablation": ARMS | {"tune": {"trials": 3, "space": SPACE}}}, False, ["tuned"]),
        (SEARCH | MODELS, True, ["search", "test of winner", "references"]),
        (SEARCH, False, ["design", "test of winner"]),  # a grid is planned in advance
    ],
)
def test_each_kind_of_sweep_runs_its_phases_in_order(parts: Any, storage: bool, phases: list[str]) -> None:
    run = Recorded("", True, **parts)
    found: Any = object() if storage else None
    assert run.run([CELL], found) == "finished"
    assert run.ran == phases


@pytest.mark.parametrize(
    ("interrupted", "whole", "phases"),
    [
        ("search", True, ["search"]),
        ("", False, ["search"]),
        ("test of winner", True, ["search", "test of winner"]),
        ("references", True, ["search", "test of winner", "references"]),
    ],
)
def test_an_interrupted_sweep_runs_no_later_phase(interrupted: str, whole: bool, phases: list[str]) -> None:
    run = Recorded(interrupted, whole, **SEARCH, **MODELS)
    storage: Any = object()
    assert run.run([], storage) == "interrupted"
    assert run.ran == phases
