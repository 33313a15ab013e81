"""Run an experiment again: the sweep that is resumed, and the message."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_experiment
from radsweep.console import Console
from radsweep.errors import InputError
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.identity.experiment import experiment_key, latest_unfinished


def experiment(**parts: object) -> Experiment:
    tree = {"experiment": "twice", "data": {"shards": "phantom:plain"}, "ablation": {"arms": {"a": {}}}}
    return parse_experiment(tree | parts, "a.yaml")


def stored(store: Store, status: str, asked: dict[str, Any] | None = None) -> None:
    asked = asked or experiment().model_dump(mode="json", exclude_none=True)
    store.write_sweep(
        SweepRecord(
            id=f"twice-{status}",
            name="twice",
            kind="ablation",
            experiment=asked,
            select="val/text_to_image/recall_at_10",
            cells=(),
            status=status,  # type: ignore[arg-type]
            created="2026-01-01",
        )
    )


def call(store: Store, resume: bool) -> tuple[SweepRecord | None, str]:
    said = io.StringIO()
    found = latest_unfinished(store, experiment(), resume, Console(Terminal(file=said, width=400)))
    return found, said.getvalue()


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_plain_call_of_an_unfinished_sweep_says_so_and_offers_to_resume(tmp_path: Path, status: str) -> None:
    stored(Store(tmp_path), status)
    found, said = call(Store(tmp_path), resume=False)
    assert found is None
    assert f"twice-{status}, an earlier sweep of the same experiment, did not finish; --resume continues it" in said


def test_a_finished_sweep_gives_no_message_and_resume_finds_it(tmp_path: Path) -> None:
    stored(Store(tmp_path), "finished")
    assert call(Store(tmp_path), resume=False) == (None, "")
    found, _ = call(Store(tmp_path), resume=True)
    assert found is not None
    assert found.id == "twice-finished"


def test_a_sweep_from_before_a_setting_existed_is_resumed_with_its_default(tmp_path: Path) -> None:
    older = experiment().model_dump(mode="json", exclude_none=True)
    del older["evaluate"]
    stored(Store(tmp_path), "finished", older | {"train": {}})
    found, _ = call(Store(tmp_path), resume=True)
    assert found is not None
    assert found.id == "twice-finished"


def test_a_sweep_whose_experiment_is_not_valid_is_passed_over(tmp_path: Path) -> None:
    stored(Store(tmp_path), "interrupted", experiment().model_dump(mode="json") | {"unknown": 1})
    assert call(Store(tmp_path), resume=False) == (None, "")
    with pytest.raises(InputError, match="no earlier sweep of this experiment"):
        call(Store(tmp_path), resume=True)


def test_resume_without_such_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--resume: no earlier sweep of this experiment"):
        call(Store(tmp_path), resume=True)


def test_the_key_of_an_experiment_does_not_depend_on_where_it_runs() -> None:
    key = experiment_key(experiment())
    assert key == experiment_key(experiment(run={"slots": 2, "store": "/elsewhere"}))
    assert key != experiment_key(experiment(train={"seed": 1}))


def test_a_sweep_from_before_tuning_could_be_repeated_is_resumed_only_as_tuned_once(tmp_path: Path) -> None:
    tune = {"trials": 2, "space": {"train.weight_decay": {"uniform": [0, 1]}}}
    tuned = {each: {"arms": {"a": {}}, "tune": tune | {"repeat": each}} for each in ("once", "each_replicate")}
    asked = experiment(ablation=tuned["once"]).model_dump(mode="json", exclude_none=True)
    del asked["ablation"]["tune"]["repeat"]
    store = Store(tmp_path)
    stored(store, "interrupted", asked)
    found = latest_unfinished(store, experiment(ablation=tuned["once"]), True, Console())
    assert found is not None
    with pytest.raises(InputError, match="no earlier sweep of this experiment"):
        latest_unfinished(store, experiment(ablation=tuned["each_replicate"]), True, Console())
