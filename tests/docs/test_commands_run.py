"""Quick commands of README and docs run as they are written, each in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from radsweep.cli.app import app
from support.own_data import own_data
from support.pages import ROOT
from support.typed import TOLD, Told

ENDS_SOON = {"--dry-run", "schema", "csv", "inspect", "status"}  # the tests of importers pack the published sets
TAKES_STEPS = {"--calibrate", "--watch"}
QUICK = [
    each
    for each in TOLD
    if ENDS_SOON & set(each.words) and not TAKES_STEPS & set(each.words) and not each.mention
    if each.words[0] != "report"  # of a sweep that has run; `--format csv` is not `pack csv`
]


@pytest.fixture
def folder(phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a current folder with the files that the commands name."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setenv("RADSWEEP_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search_spaces").symlink_to(ROOT / "search_spaces")
    (tmp_path / "my-phantom").symlink_to(phantom)
    return tmp_path


@pytest.mark.parametrize("each", QUICK, ids=str)
def test_a_quick_command_runs(each: Told, folder: Path, phantom: Path) -> None:
    if each.words[0] == "pack":
        own_data(folder / "ROOT")
    else:
        (folder / "my-shards").symlink_to(phantom)
    ended = CliRunner().invoke(app, list(each.words))
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.strip()
    if each.words[0] == "pack":
        found = json.loads(CliRunner().invoke(app, ["inspect", "my-shards", "--json"]).stdout)
        assert sum(found["studies"]["pairs"].values()) == 20


def test_quick_commands_include_packing_inspection_plans_and_progress() -> None:
    assert {each.words[0] for each in QUICK} >= {"demo", "sweep", "schema", "inspect", "pack", "status"}
