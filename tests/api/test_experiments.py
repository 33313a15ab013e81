"""Experiments are loaded, planned and run as on the command line, and messages name the file and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import radsweep as rs
from radsweep.cli.app import app
from radsweep.config.experiment import Experiment
from radsweep.config.load import load_experiment
from radsweep.store.records import SweepRecord
from radsweep.sweep.forecast.dry_run_table import plan_lines


def test_overrides_work_like_set(here: Path) -> None:
    changes = {"train.steps": 3, "train.batch_size": 8, "data.shards": Path("elsewhere")}
    loaded = rs.load_experiment("experiment.yaml", changes)
    typed = load_experiment("experiment.yaml", [f"{key}={value}" for key, value in changes.items()])
    assert loaded.model_dump() == typed.model_dump()
    assert loaded.origin == "experiment.yaml"


def test_a_dictionary_is_an_experiment_and_is_not_changed(here: Path) -> None:
    tree = {"experiment": "made-here", "data": {"shards": "my-shards"}}
    loaded = rs.load_experiment(tree, {"data.pairs": 30})
    assert (loaded.origin, loaded.data.pairs) == ("experiment", 30)
    assert tree == {"experiment": "made-here", "data": {"shards": "my-shards"}}


@pytest.mark.parametrize(
    ("source", "overrides", "said"),
    [
        ("nowhere.yaml", {}, "nowhere.yaml: cannot be read (No such file or directory)"),
        ("experiment.yaml", {"train.batch_size": "many"}, "experiment.yaml: train.batch_size: expected a whole number"),
        ({"experiment": "x"}, {}, "experiment: data: is missing"),
    ],
)
def test_a_wrong_experiment_is_refused_with_its_file_and_key(
    here: Path, source: Any, overrides: dict[str, Any], said: str
) -> None:
    with pytest.raises(rs.InputError) as refused:
        rs.load_experiment(source, overrides)
    assert str(refused.value).startswith(said)


def test_a_later_message_names_the_file_too(here: Path) -> None:
    experiment = rs.load_experiment("experiment.yaml", {"ablation.pairs": [20, 400]})
    (refused,) = rs.plan(experiment).refused
    assert str(refused).startswith("experiment.yaml: data.pairs: ")
    with pytest.raises(rs.InputError) as raised:
        rs.run(experiment)
    assert str(raised.value) == str(refused)


def test_a_plan_is_shown_like_the_output_of_the_command(here: Path) -> None:
    printed = CliRunner().invoke(app, ["sweep", "experiment.yaml", "--dry-run"]).stdout
    found = rs.plan("experiment.yaml")
    assert [line.rstrip() for line in printed.splitlines()] == str(found).splitlines()
    page = found._repr_html_()
    assert page.startswith("<pre style=")
    assert all(line.split("(")[0] in page for line in plan_lines(found))


def test_a_refusal_is_in_the_plan(here: Path) -> None:
    found = rs.plan(rs.load_experiment("experiment.yaml", {"run.slots": 999}))
    assert "Refused: experiment.yaml: run.slots: the cluster has room for" in str(found)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, prepared: Any) -> list[tuple[Any, ...]]:
    """Calls of `run_sweep`, which runs nothing and returns the prepared sweep."""
    calls: list[tuple[Any, ...]] = []

    def run_sweep(experiment: Experiment, resume: bool, fresh: bool) -> SweepRecord:
        calls.append((experiment, resume, fresh))
        return prepared.sweep

    monkeypatch.setattr("radsweep.sweep.run.run_sweep", run_sweep)
    return calls


def test_run_passes_its_options_on_and_returns_the_sweep(here: Path, asked: list[tuple[Any, ...]]) -> None:
    experiment = rs.load_experiment("experiment.yaml", {"run.store": "store"})
    sweep = rs.run(experiment, resume=True)
    assert asked == [(experiment, True, False)]
    assert (sweep.name, sweep.status) == ("small", "finished")
    assert rs.run(experiment, fresh=True).id == sweep.id
    assert asked[1][1:] == (False, True)
    with pytest.raises(rs.InputError, match="resume and fresh cannot be combined"):
        rs.run(experiment, resume=True, fresh=True)
