"""Keys of trials, which decide whether two trials are the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.sweep.identity import cell_key

BASE = Trial(data=Data(shards="here", pairs=10))
STILL = {"crop": [1, 1], "affine": 0, "brightness": 0, "contrast": 0, "noise": 0}


def test_every_setting_data_and_device_change_the_key() -> None:
    changes = [{"data.pairs": 11}, {"train.seed": 1}, {"objective.local.weight": 1}, {"train.threads": 2}]
    keys = [cell_key.cell_key(trial_with(BASE, change), "data", "cpu") for change in changes]
    keys += [cell_key.cell_key(BASE, "data", "cpu"), cell_key.cell_key(BASE, "other", "cpu")]
    keys += [cell_key.cell_key(BASE, "data", "cuda")]
    assert len(set(keys)) == len(keys)


def test_the_path_of_the_data_does_not_change_the_key() -> None:
    moved = trial_with(BASE, {"data.shards": "there"})
    assert cell_key.cell_key(moved, "data", "cpu") == cell_key.cell_key(BASE, "data", "cpu")


def test_the_part_of_the_validation_split_counts_only_if_one_is_set() -> None:
    plain = BASE.data.model_dump(mode="json", exclude={"shards", "validation_pairs", "validation_ratio"})
    assert cell_key.data_spec(BASE.data) == plain
    changes = [{}, {"data.validation_pairs": 10}, {"data.validation_pairs": 11}, {"data.validation_ratio": 1.0}]
    keys = {cell_key.cell_key(trial_with(BASE, change), "data", "cpu") for change in changes}
    assert len(keys) == len(changes)


def test_settings_of_a_task_count_if_it_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "prompts.yaml"
    file.write_text("Edema: {positive: [edema], negative: [no edema]}")
    settings = {"evaluate.zero_shot.prompts": str(file)}
    assert cell_key.cell_key(trial_with(BASE, settings), "data", "cpu") == cell_key.cell_key(BASE, "data", "cpu")
    asked = {"evaluate.tasks": ["retrieval", "zero_shot"]}
    mine, shipped = trial_with(BASE, settings | asked), trial_with(BASE, asked)
    assert cell_key.cell_key(mine, "data", "cpu") != cell_key.cell_key(shipped, "data", "cpu")
    copy_of = tmp_path / "copy.yaml"
    copy_of.write_text("# the same\nEdema:\n  positive: [edema]\n  negative: [no edema]\n")
    same = trial_with(BASE, asked | {"evaluate.zero_shot.prompts": str(copy_of)})
    assert cell_key.cell_key(same, "data", "cpu") == cell_key.cell_key(mine, "data", "cpu")


def test_the_content_of_a_word_list_counts_if_reports_are_compared_by_it(tmp_path: Path) -> None:
    def key(list_of: str, part: float) -> str:
        file = tmp_path / f"{list_of}.yaml"
        file.write_text(f"protected: {{negation: [{list_of}]}}\nfindings: {{effusion: [erguss]}}")
        trial = trial_with(BASE, {"augment.text.words": str(file), "objective.positives.same_report": part})
        return cell_key.cell_key(trial, "data", "cpu")

    assert key("nicht", 0.8) != key("pas", 0.8)
    assert key("nicht", 1.0) == key("pas", 1.0)


def test_public_models_beside_a_trial_do_not_change_it(tmp_path: Path) -> None:
    beside = trial_with(BASE, {"evaluate.public_models": ["some/model"]})
    assert cell_key.cell_key(beside, "data", "cpu") == cell_key.cell_key(BASE, "data", "cpu")
    assert cell_key.reference_key(BASE, "data", "cpu") != cell_key.cell_key(BASE, "data", "cpu")


@pytest.mark.parametrize(
    ("key", "library"),
    [
        ("model.image.backbone", ""),
        ("model.image.backbone", "timm:"),
        ("model.text.backbone", ""),
        ("model.pretrained", ""),
    ],
)
def test_weights_that_were_trained_again_in_the_same_place_are_other_weights(
    tmp_path: Path, key: str, library: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"old")
    trial = trial_with(BASE, {key: f"{library}{folder}"})
    frozen = trial_with(trial, {"model.image.freeze": True, "augment.image": STILL, "adapt.image.method": "simclr"})

    def keys() -> list[str]:
        stages = cell_key.stage_keys(frozen, "data", "cpu").values()
        measured = [cell_key.reference_key(trial, "data", "cpu")]
        return [cell_key.cell_key(trial, "data", "cpu"), *(measured if key == "model.pretrained" else stages)]

    old = keys()
    (folder / ".cache").write_text("of a hub's client")
    assert keys() == old
    (folder / "model.safetensors").write_bytes(b"new")
    os.utime(folder / "model.safetensors", ns=(1, 1))  # of the same size: only its time differs
    if key == "model.text.backbone":
        assert keys()[1:] == old[1:], "stages of the image tower"
        old = old[:1]
    assert not set(keys()) & set(old)


@pytest.mark.parametrize("library", ["", "timm:"])
def test_the_path_of_weights_does_not_count(tmp_path: Path, library: str) -> None:
    file = tmp_path / "resnet18-mine.pth"
    file.write_bytes(b"weights")
    trial = trial_with(BASE, {"model.image.backbone": f"{library}{file}"})
    before = cell_key.cell_key(trial, "data", "cpu")
    (tmp_path / "there").mkdir()
    moved = trial_with(BASE, {"model.image.backbone": f"{library}{file.rename(tmp_path / 'there' / file.name)}"})
    assert cell_key.cell_key(moved, "data", "cpu") == before
    other = trial_with(BASE, {"model.image.backbone": f"{library}{file}"})  # it does not exist: only its name counts
    assert cell_key.cell_key(other, "data", "cpu") != before
