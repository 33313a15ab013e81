"""A name of local weights is the same in every process."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.model import Model
from radsweep.config.trial import Trial

TRIAL = Trial(data=Data(shards="here"))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder models/mine, from within the one around it."""
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "models" / "mine")


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_local_folder_is_named_by_its_whole_path(mine: str, tower: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def backbone(name: str) -> str:
        found: str = getattr(trial_with(TRIAL, {f"model.{tower}.backbone": name}).model, tower).backbone
        return found

    assert backbone("models/mine") == backbone("./models/mine") == mine
    monkeypatch.setenv("HOME", str(Path(mine).parent))
    assert backbone("~/mine") == mine
    assert backbone("models/other") == "models/other", "a hub id"


def test_what_follows_timm_is_a_name_of_its_own_unless_it_is_written_as_a_path(
    mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("resnet50").mkdir()
    Path("resnet50-mine.pth").touch()

    def backbone(name: str) -> str:
        return trial_with(TRIAL, {"model.image.backbone": name}).model.image.backbone

    assert backbone("timm:models/mine") == backbone("timm:./models/mine") == f"timm:{mine}"
    assert backbone("timm:resnet50-mine.pth") == f"timm:{Path.cwd()}/resnet50-mine.pth"
    assert backbone("timm:resnet50") == "timm:resnet50"
    assert backbone("timm:./resnet50") == f"timm:{Path.cwd()}/resnet50"
    assert backbone("timm:some/model") == "timm:some/model", "a hub id"


def test_names_that_are_known_stay_beside_folders_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("resnet50", "tiny-bert"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    model = trial_with(TRIAL, {"model.image.backbone": "resnet50"}).model
    assert (model.image.backbone, model.text.backbone) == ("resnet50", "tiny-bert")


def test_a_whole_model_in_a_local_folder_brings_its_towers_from_there(mine: str, tmp_path: Path) -> None:
    models = [
        Model.model_validate({"pretrained": "models/mine"}),
        Model.model_validate({"pretrained": mine, "image": {"backbone": "models/mine"}, "text": {"backbone": mine}}),
        trial_with(trial_with(TRIAL, {"model.pretrained": mine}), {"model.pretrained": "models/mine"}).model,
    ]
    for model in models:
        assert model.pretrained == model.image.backbone == model.text.backbone == mine
    (tmp_path / "second").mkdir()
    replaced = trial_with(trial_with(TRIAL, {"model.pretrained": mine}), {"model.pretrained": "second"}).model
    assert replaced.pretrained == replaced.text.backbone == str(tmp_path / "second")
