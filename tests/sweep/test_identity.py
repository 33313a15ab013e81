"""What makes two trials the same."""

from __future__ import annotations

from pathlib import Path

from radsweep.spec.load import trial_with
from radsweep.spec.trial import Data, Trial
from radsweep.sweep import identity

BASE = Trial(data=Data(shards="here", pairs=10))


def test_every_setting_data_and_device_change_the_key() -> None:
    changes = [{"data.pairs": 11}, {"train.seed": 1}, {"objective.local.weight": 1}, {"train.threads": 2}]
    keys = [identity.cell_key(trial_with(BASE, change), "data", "cpu") for change in changes]
    keys += [identity.cell_key(BASE, "data", "cpu"), identity.cell_key(BASE, "other", "cpu")]
    keys += [identity.cell_key(BASE, "data", "cuda")]
    assert len(set(keys)) == len(keys)


def test_where_the_data_lie_does_not() -> None:
    moved = trial_with(BASE, {"data.shards": "there"})
    assert identity.cell_key(moved, "data", "cpu") == identity.cell_key(BASE, "data", "cpu")


def test_settings_of_a_task_count_where_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "prompts.yaml"
    file.write_text("Edema: {positive: [edema], negative: [no edema]}")
    settings = {"evaluate.zero_shot.prompts": str(file)}
    assert identity.cell_key(trial_with(BASE, settings), "data", "cpu") == identity.cell_key(BASE, "data", "cpu")
    asked = {"evaluate.tasks": ["retrieval", "zero_shot"]}
    mine, shipped = trial_with(BASE, settings | asked), trial_with(BASE, asked)
    assert identity.cell_key(mine, "data", "cpu") != identity.cell_key(shipped, "data", "cpu")
    copy_of = tmp_path / "copy.yaml"
    copy_of.write_text("# the same\nEdema:\n  positive: [edema]\n  negative: [no edema]\n")
    same = trial_with(BASE, asked | {"evaluate.zero_shot.prompts": str(copy_of)})
    assert identity.cell_key(same, "data", "cpu") == identity.cell_key(mine, "data", "cpu")


def test_public_models_beside_a_trial_do_not_change_it(tmp_path: Path) -> None:
    beside = trial_with(BASE, {"evaluate.against": ["some/model"]})
    assert identity.cell_key(beside, "data", "cpu") == identity.cell_key(BASE, "data", "cpu")
    assert identity.reference_key(BASE, "data", "cpu") != identity.cell_key(BASE, "data", "cpu")
