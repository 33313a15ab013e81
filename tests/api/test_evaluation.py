"""An evaluation from Python is that of the command line, and leaves the process as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import radsweep as rs
from radsweep.cli.app import app
from radsweep.evaluation.queries import read_queries

PROMPTS = {"evaluate.zero_shot.prompts": "phantom"}


def test_the_numbers_are_those_of_the_command(here: Path) -> None:
    command = ["evaluate", "checkpoint", "--data", "my-shards", "--task", "zero_shot", "--json"]
    printed = json.loads(CliRunner().invoke(app, [*command, "--set", "evaluate.zero_shot.prompts=phantom"]).stdout)
    found = rs.evaluate(rs.load_model("checkpoint"), "my-shards", ["zero_shot"], overrides=PROMPTS)
    assert found.metrics == printed["metrics"]
    assert (list(found.tasks), found.fingerprint) == (printed["tasks"], printed["fingerprint"])
    frame = found.frame().set_index("metric")
    assert frame["value"].to_dict() == {name: numbers["value"] for name, numbers in printed["metrics"].items()}
    assert found["test/zero_shot/effusion/auroc"] == frame.loc["test/zero_shot/effusion/auroc", "value"]
    assert found.chance("test/zero_shot/effusion/auroc") == 0.5


def test_a_sweep_is_measured_as_it_measured_itself(here: Path) -> None:
    sweep = rs.open_sweep("small", store="store")
    found, trials = rs.evaluate(sweep, "my-shards"), sweep.trials().set_index("key")
    assert isinstance(found.frame(), pd.DataFrame)
    assert {name: trials.loc[sweep.best.key, name] for name in found.metrics} == pytest.approx(
        {name: found[name] for name in found.metrics}
    )


def test_an_evaluation_prints_as_a_table_and_shows_in_a_notebook(here: Path) -> None:
    found = rs.evaluate("checkpoint", "my-shards", split="validation")
    assert "phantom-standard, validation split, 40 candidates" in str(found)
    row = next(line for line in str(found).splitlines() if "validation recall@10, report to image " in line)
    assert row.split()[-2:] == ["25.0", "%"], "chance is beside the value"
    assert "validation recall@10" in found._repr_html_()


def test_queries_are_written_and_threads_are_as_before(here: Path) -> None:
    torch.set_num_threads(2)
    rs.evaluate("checkpoint", "my-shards", queries=here / "queries.parquet")
    assert torch.get_num_threads() == 2
    results = read_queries(here / "queries.parquet")
    assert results is not None
    assert len(results.study_ids) == 40


@pytest.mark.parametrize(
    ("tasks", "overrides", "said"),
    [
        (["zero_shots"], {}, "evaluate.tasks.1: expected 'retrieval', 'local_retrieval', 'zero_shot'"),
        ((), {"train.seed": 1}, "--set train.seed: a model is measured as it is"),
        ("class_retrieval", {}, "class retrieval: no labels of Atelectasis"),
    ],
)
def test_tasks_that_cannot_be_measured_are_refused(
    here: Path, tasks: list[str], overrides: dict[str, int], said: str
) -> None:
    with pytest.raises(rs.InputError) as refused:
        rs.evaluate("checkpoint", "my-shards", tasks, overrides=overrides)
    assert said in str(refused.value)
