"""Missing pretrained weights are reported before a trial starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.model import Model
from radsweep.errors import InputError
from radsweep.models import hub
from radsweep.sweep.checks import weights
from radsweep.sweep.checks.weights import check_weights

PRETRAINED = {"weights": "pretrained"}


def model(**towers: Any) -> Model:
    return Model.model_validate({name: PRETRAINED | {"backbone": str(one)} for name, one in towers.items()})


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin.index.json"])
def test_a_folder_without_weights_is_reported(tmp_path: Path, file: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(
        InputError, match=rf"model\.text\.backbone: {tmp_path} has no weights; add model.safetensors or"
    ):
        check_weights([model(text=tmp_path)], [])
    (tmp_path / file).touch()
    assert check_weights([model(text=tmp_path), model(text=tmp_path), Model()], []) == [str(tmp_path)]


@pytest.mark.parametrize(
    ("key", "model", "against"),
    [
        ("model.image.backbone", model(image="some/model"), []),
        ("model.pretrained", Model.model_validate({"pretrained": "some/model"}), []),
        ("evaluate.public_models", Model(), ["some/model"]),
    ],
)
def test_a_hub_id_with_only_its_configuration_in_the_cache_is_reported(
    key: str, model: Model, against: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ["config.json"]

    def away(name: str, file: str) -> bool:
        if file in kept:
            return True
        raise hub.Unreadable("name or service not known")

    monkeypatch.setattr(weights, "model_config", lambda name, kinds: {"model_type": "clip"})
    monkeypatch.setattr(hub, "_ask", away)
    with pytest.raises(InputError, match=rf"{key}: cannot download the weights of some/model \(name or service"):
        check_weights([model], against)
    kept.append("pytorch_model.bin")
    assert check_weights([model], against) == ["some/model"]


def test_a_folder_of_timms_without_weights_is_reported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_vit", "pretrained_cfg": {}}))
    with pytest.raises(InputError, match=rf"model\.image\.backbone: {tmp_path} has no weights; add model.safetensors"):
        check_weights([model(image=f"timm:{tmp_path}")], [])
    (tmp_path / "model.safetensors").touch()
    assert check_weights([model(image=f"timm:{tmp_path}")], []) == [f"timm:{tmp_path}"]


def test_names_without_files_need_no_weights() -> None:
    towers = {"image": {"backbone": "resnet50", "weights": "imagenet"}, "text": {"backbone": "some/bert"}}
    assert check_weights([Model.model_validate(towers)], []) == []
