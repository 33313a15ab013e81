"""The demo is the quickstart, in a store of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.cli import demo
from radsweep.config.load import load_experiment

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_uses_the_file_of_the_checkout_and_plans_its_trials(run: Callable[..., Any], tmp_path: Path) -> None:
    assert demo.quickstart() == ROOT / "search_spaces" / "quickstart.yaml"
    planned = run("demo", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    assert json.loads(planned.out)["trials"] == 18
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("store", ["demo", "2026", "a: b", "yes"])
def test_any_name_of_a_folder_may_be_its_store(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(demo, "sweep", lambda file, changes, **_: given.append(load_experiment(file, changes)))
    demo.demo(store=Path(store))
    assert [experiment.run.store for experiment in given] == [store]
