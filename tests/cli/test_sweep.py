"""A real sweep of two tiny trials through the command line, and commands on its results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from radsweep.config.experiment import Experiment
from radsweep.evaluation.queries import read_queries
from radsweep.report.render.write import write_report
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store, store_folder

Status = Literal["finished", "failed", "interrupted"]
Run = Callable[..., Any]


@pytest.fixture
def experiment(tmp_path: Path, phantom: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"experiment: tiny\ndata: {{shards: {phantom}, pairs: 20}}\nmodel: {{image: {{size: 32}}}}\n"
        "train: {until: steps, steps: 4, batch_size: 10, learning_rate: 1e-3}\nevaluate: {every_steps: 2}\n"
        "ablation: {arms: {baseline: {}, sentences: {augment.text.sentences: sample}}}\nrun: {slots: 1}\n"
    )
    return path


def test_a_sweep_is_run_reported_resumed_and_its_winner_evaluated(
    run: Run, ray_session: None, experiment: Path, phantom: Path, tmp_path: Path
) -> None:
    swept = run("sweep", experiment)
    assert swept.code == 0, swept.err
    assert "Running 2 of 2 trials" in swept.err
    assert "2 of 2  finished" in swept.err
    (sweep,) = (tmp_path / "store" / "sweeps").iterdir()
    assert f"Report: {sweep / 'report' / 'report.html'}" in swept.out
    assert f"MLflow: radsweep ui --store {tmp_path / 'store'}" in swept.out
    assert (sweep / "report" / "report.html").is_file()
    assert "baseline" in swept.out
    assert "sentences" in swept.out
    assert re.search(r"^best\.yaml: Arm (baseline|sentences), ", swept.out, re.MULTILINE)

    told = run("report", "tiny")
    assert told.code == 0, told.err
    assert told.out == swept.out
    assert json.loads(run("report", sweep.name, "--json").out) == json.loads((sweep / "report/report.json").read_text())

    resumed = run("sweep", experiment, "--resume", "--json")
    assert resumed.code == 0, resumed.err
    assert "reused" in resumed.err
    assert json.loads(resumed.out)["report"]
    assert list((tmp_path / "store" / "sweeps").iterdir()) == [sweep]

    measured = run("evaluate", sweep / "report" / "winner", "--data", phantom, "--json")
    assert measured.code == 0, measured.err
    found = json.loads(measured.out)
    records = [json.loads(file.read_text()) for file in (tmp_path / "store" / "cells").glob("*/record.json")]
    winners = [record["final"] for record in records if _same(record["final"], found["metrics"])]
    assert winners, "the checkpoint by itself gives the numbers of the sweep"
    assert found["candidates"] == 40
    assert found["metrics"]["test/text_to_image/recall_at_10"]["chance"] == pytest.approx(10 / 40)

    shown = run("evaluate", sweep / "report" / "winner", "--data", phantom, "--split", "validation").out
    row = next(line for line in shown.splitlines() if "validation recall@10, report to image " in line)
    assert row.split()[-2:] == ["25.0", "%"], "chance is beside the value"
    assert "40 candidates" in shown


def _same(final: dict[str, float], metrics: dict[str, dict[str, float]]) -> bool:
    return final == pytest.approx({name: numbers["value"] for name, numbers in metrics.items()}, abs=1e-6)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Callable[[Status], list[Experiment]]:
    """`pretended(status)`: sweeps run nothing and end with it; returns the requested experiments."""

    def ending(status: Status) -> list[Experiment]:
        asked: list[Experiment] = []

        def run_sweep(experiment: Experiment, resume: bool, fresh: bool = False) -> SweepRecord:
            asked.append(experiment)
            record = SweepRecord(
                id="pretended",
                name=experiment.experiment,
                kind="ablation" if experiment.ablation else "train",
                experiment=experiment.model_dump(mode="json", exclude_none=True),
                select=experiment.evaluate.select,
                cells=(),
                status=status,
            )
            write_report(Store(store_folder(None)).sweep_folder(record.id) / "report", record, {})
            return record

        monkeypatch.setattr("radsweep.sweep.run.run_sweep", run_sweep)
        return asked

    return ending


@pytest.mark.parametrize(("status", "code"), [("finished", 0), ("failed", 1), ("interrupted", 1)])
@pytest.mark.parametrize("command", ["sweep", "train"])
def test_the_exit_code_shows_how_a_sweep_ended_and_its_results_are_printed_anyway(
    run: Run, pretended: Callable[..., Any], experiment: Path, command: str, status: Status, code: int
) -> None:
    pretended(status)
    ended = run(command, experiment, "--json")
    assert ended.code == code
    assert json.loads(ended.out)["report"]


def test_train_runs_the_base_trial_without_the_ablation(
    run: Run, pretended: Callable[..., Any], experiment: Path
) -> None:
    asked = pretended("finished")
    assert run("sweep", experiment, "--set", "train.steps=2").code == 0
    assert run("train", experiment, "--set", "train.steps=2").code == 0
    swept, trained = asked
    assert swept.ablation is not None
    assert trained.ablation is None
    assert trained.trial() == swept.trial()
    assert trained.train.steps == 2


def test_the_size_of_a_single_trial_is_set_beside_an_ablation_of_sizes_but_not_of_a_sweep(
    run: Run, pretended: Callable[..., Any]
) -> None:
    quickstart = Path(__file__).parents[2] / "search_spaces" / "quickstart.yaml"
    asked = pretended("finished")
    assert run("train", quickstart, "--set", "data.pairs=300").code == 0
    assert [(one.data.pairs, one.ablation) for one in asked] == [(300, None)]
    for more in ((), ("--dry-run",)):
        refused = run("sweep", quickstart, "--set", "data.pairs=300", *more)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err == (
            f"radsweep: {quickstart}: data.pairs: ignored, because ablation.pairs sets the sizes. Leave out one of "
            "them.\n"
        )
    assert len(asked) == 1


def test_resuming_a_sweep_that_never_started_is_refused(run: Run, experiment: Path) -> None:
    refused = run("sweep", experiment, "--resume")
    assert refused.code == 2
    assert f"radsweep: {experiment}: --resume: no earlier sweep of this experiment" in refused.err


def test_an_unknown_sweep_and_a_folder_without_a_checkpoint_are_refused(
    run: Run, phantom: Path, tmp_path: Path
) -> None:
    assert run("report", "nothing") == (
        2, "", f"radsweep: no sweep 'nothing' in the store {tmp_path / 'store'}; the latest are: none\n",
    )  # fmt: skip
    assert run("evaluate", tmp_path, "--data", tmp_path).err.startswith(f"radsweep: {tmp_path}: no packed data set")
    refused = run("evaluate", tmp_path, "--data", phantom)
    assert refused.code == 2
    assert f"{tmp_path}: neither the folder of a finished trial's checkpoint nor a whole model" in refused.err


def test_a_public_model_is_measured_as_it_is(run: Run, phantom: Path, public_model: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", public_model, "--data", phantom, "--task", "zero_shot", "--task", "linear_probe")
    file = tmp_path / "queries.parquet"
    ended = run(*arguments, "--set", "evaluate.zero_shot.prompts=phantom", "--queries", file, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert (found["model"], found["candidates"]) == (str(public_model), 40)
    assert found["metrics"]["test/text_to_image/recall_at_10"]["chance"] == pytest.approx(10 / 40)
    assert found["metrics"]["test/zero_shot/effusion/auroc"]["chance"] == 0.5
    assert 0 <= found["metrics"]["test/linear_probe/100_percent/auroc"]["value"] <= 1
    results = read_queries(file)
    assert results is not None
    assert len(results.study_ids) == 40

    refused = run(*arguments, "--set", "train.seed=1")
    assert refused.code == 2
    assert "--set train.seed: a model is measured as it is" in refused.err
    for change, message in (
        ("evaluate.select=nothing", "evaluate.select: "),
        ("evaluate.zero_shot.prompts=nowhere", "evaluate: nowhere: is neither a set of prompts"),
    ):
        refused = run(*arguments, "--set", change)
        assert refused.code == 2
        assert refused.err.startswith(f"radsweep: radsweep evaluate: {message}")
