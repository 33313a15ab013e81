"""Progress of long tasks on the console."""

from __future__ import annotations

import io
import time
from importlib.machinery import ModuleSpec

import pytest
from rich.console import Console as Terminal

from radsweep.console import Console


def test_a_log_gets_a_line_from_time_to_time_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 1.0, 20.0, 21.0, 40.0))  # the start, and each call
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    said = io.StringIO()
    with Console(Terminal(file=said, width=200)).task("Reading pictures", 4000) as advance:
        for done in (10, 1000, 1100, 2500):
            advance(done)
    assert said.getvalue().splitlines() == [
        "Reading pictures (4,000)",
        "Reading pictures: 1,000 of 4,000, 60 s left",
        "Reading pictures: 2,500 of 4,000, 24 s left",
    ]


@pytest.mark.parametrize("ipywidgets", [True, False])
def test_a_notebook_has_bars_if_it_can_draw_them(monkeypatch: pytest.MonkeyPatch, ipywidgets: bool) -> None:
    found = ModuleSpec("ipywidgets", None) if ipywidgets else None
    monkeypatch.setattr("radsweep.console.find_spec", lambda name: found if name == "ipywidgets" else None)
    assert Console(Terminal(force_jupyter=True)).animated == ipywidgets
    assert Console(Terminal(force_terminal=True, force_jupyter=False)).animated
    assert not Console(Terminal(file=io.StringIO(), force_jupyter=False)).animated


def test_a_task_of_several_steps_shows_one_bar_after_the_other() -> None:
    said = io.StringIO()
    with Console(Terminal(file=said, width=200)).steps() as progress:
        for what, done in (("reading pictures", 1), ("reading pictures", 2), ("writing studies", 1)):
            progress(what, done, 2)
    assert said.getvalue().splitlines() == ["Reading pictures (2)", "Writing studies (2)"]
