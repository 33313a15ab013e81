"""The record of a sweep reads its experiment, also one that another version or machine wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_experiment
from radsweep.config.run import Run
from radsweep.store.records import CellRecord, SweepRecord

SEARCH = {"space": {"train.learning_rate": {"loguniform": [1e-5, 1e-2]}, "model.dim": {"int": [8, 64]}}}
ABLATION = {"arms": {"baseline": {}, "long": {"train.max_epochs": None, "train.max_steps": 9}}, "seeds": 2}


def experiment(**parts: Any) -> Experiment:
    return parse_experiment({"experiment": "kept", "data": {"shards": "phantom:easy"}, **parts}, "test")


def record(tree: dict[str, Any]) -> SweepRecord:
    """A record as it is read from a store."""
    sweep = SweepRecord(id="kept-1", name="kept", kind="train", experiment=tree, select="", cells=())
    return SweepRecord.model_validate_json(sweep.model_dump_json())


@pytest.mark.parametrize("exclude_none", [True, False])
@pytest.mark.parametrize("parts", [{"search": SEARCH}, {"ablation": ABLATION}, {"run": {"slots": 2}}])
def test_the_plan_is_the_experiment_that_was_recorded(parts: dict[str, Any], exclude_none: bool) -> None:
    asked = experiment(**parts)
    sweep = record(asked.model_dump(mode="json", exclude_none=exclude_none))
    assert sweep.plan == asked
    assert (sweep.run, sweep.ablation, sweep.search) == (asked.run, asked.ablation, asked.search)
    assert dict(sweep.space) == (asked.search.space if asked.search else {})


def test_a_recorded_path_is_kept_and_the_disk_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)  # a hub id, where the sweep ran
    monkeypatch.chdir(tmp_path)
    named: dict[str, Any] = {
        "model": {"image": {"backbone": "models/mine"}},
        "augment": {"text": {"words": "words.yaml"}},
        "evaluate": {"sets": ["sets/one"], "public_models": ["models/mine"], "zero_shot": {"prompts": "prompts.yaml"}},
        "run": {"archive": "archive"},
    }
    whole = {"pretrained": "models/mine"} | {name: {"backbone": "models/mine"} for name in ("image", "text")}

    def read(*_: object) -> bool:
        raise AssertionError("the disk was read")

    for model in (named["model"], whole):
        tree = {"experiment": "kept", "data": {"shards": "shards"}, **named, "model": model}
        sweep = record(tree)
        with monkeypatch.context() as patched:
            for module, name in ((os, "stat"), (os.path, "exists"), (Path, "absolute")):
                patched.setattr(module, name, read)
            plan = sweep.plan
        assert plan is not None
        assert (plan.model.image.backbone, plan.augment.text.words) == ("models/mine", "words.yaml")
        assert (plan.evaluate.sets, plan.evaluate.public_models) == (("sets/one",), ("models/mine",))
        assert (plan.evaluate.zero_shot.prompts, plan.run.archive) == ("prompts.yaml", "archive")
    assert parse_experiment(tree, "test").model.pretrained == str(tmp_path / "models" / "mine"), (
        "a file is read as before"
    )


def test_an_experiment_of_another_version_has_no_plan_and_its_valid_sections_are_read() -> None:
    tree = experiment(search=SEARCH, run={"slots": 2}).model_dump(mode="json") | {"unknown": 1}
    sweep = record(tree)
    assert sweep.plan is None
    assert sweep.experiment == tree, "it is unchanged on disk"
    assert sweep.run == Run(slots=2)
    assert list(sweep.space) == list(SEARCH["space"])
    older = record({"search": SEARCH | {"unknown": 1}, "run": {"unknown": 1}})
    assert (older.plan, older.search, older.space, older.ablation, older.run) == (None, None, {}, None, None)
    assert record({}).run == Run(), "it has no valid section `run`"


def test_an_experiment_is_validated_once_for_a_record_and_its_copies() -> None:
    sweep = record(experiment(search=SEARCH).model_dump(mode="json"))
    assert sweep.plan is sweep.plan
    assert sweep.model_copy(update={"status": "finished"}).plan is sweep.plan


def test_a_copy_with_another_experiment_has_another_plan() -> None:
    sweep = record(experiment(search=SEARCH).model_dump(mode="json"))
    assert sweep.search is not None
    other = sweep.model_copy(update={"experiment": experiment(ablation=ABLATION).model_dump(mode="json")})
    assert (other.search, other.plan) == (None, experiment(ablation=ABLATION))


def test_reading_the_plan_changes_no_record() -> None:
    sweep = record(experiment(ablation=ABLATION).model_dump(mode="json"))
    before, text = sweep.model_copy(), sweep.model_dump_json()
    assert sweep.plan is not None
    assert (sweep, sweep.model_dump_json()) == (before, text)


@pytest.mark.parametrize(
    ("recorded", "read"),
    [
        ({"converged": True}, "converged"),
        ({"converged": False}, "cannot tell"),
        ({"convergence": "still rising"}, "still rising"),
        ({}, "cannot tell"),
    ],
)
def test_convergence_of_an_earlier_version_is_read(recorded: dict[str, Any], read: str) -> None:
    tree = {"key": "a", "trial": {}, "status": "finished", **recorded}
    cell = CellRecord.model_validate(tree)
    assert cell.convergence == read
    assert cell.converged == (read == "converged")
    assert CellRecord.model_validate_json(cell.model_dump_json()) == cell
