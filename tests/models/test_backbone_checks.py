from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from torch import nn
from torchvision import models

from radsweep.config.model import ImageTower, Model, TextTower
from radsweep.config.paths import TORCHVISION
from radsweep.errors import InputError
from radsweep.models.backbone_checks import check_dropout, check_model, check_vit
from radsweep.models.configs import IMAGE_CLASSES, TEXT_CLASSES
from radsweep.models.text import build_text_tower


def model(image: dict[str, Any] | None = None, text: dict[str, Any] | None = None) -> Model:
    return Model(image=ImageTower(**(image or {})), text=TextTower(**(text or {})))


def folder(path: Path, **config: Any) -> str:
    (path / "config.json").write_text(json.dumps(config))
    return str(path)


def test_the_names_known_are_those_torchvision_has() -> None:
    assert sorted(TORCHVISION) == sorted(models.list_models(models))


def test_the_classes_known_exist_in_transformers() -> None:
    assert all(hasattr(transformers, name) for name in {*IMAGE_CLASSES.values(), *TEXT_CLASSES.values()})


@pytest.mark.parametrize(
    "image", [{}, {"backbone": "resnet50", "weights": "imagenet"}, {"backbone": "vit_b_16", "size": 224}], ids=str
)
def test_known_towers_pass(image: dict[str, Any]) -> None:
    check_model(model(image))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"backbone": "resnet5O"}, r"model\.image\.backbone: unknown name 'resnet5O'; did you mean resnet50\?"),
        ({"backbone": "tiny_cnn"}, r"model\.image\.backbone: .*did you mean tiny-cnn\?"),
        ({"weights": "imagenet"}, r"model\.image\.weights: tiny-cnn has no imagenet weights"),
        ({"backbone": "tiny-vit", "size": 60}, r"model\.image\.size: 60 is not a multiple .* 8 pixels; try 56"),
        ({"backbone": "resnet50", "weights": "pretrained"}, r"model\.image\.weights: .*set it to imagenet"),
        ({"backbone": "./nothing/here"}, r"model\.image\.backbone: the folder \./nothing/here does not exist"),
        ({"backbone": "./resnet50.pth", "weights": "pretrained"}, r"the file \./resnet50\.pth does not exist"),
        ({"backbone": "vit_b_16", "size": 100}, r"model\.image\.size: 100 is not a multiple .* 16 pixels; try 96"),
    ],
    ids=str,
)
def test_a_wrong_image_tower_names_its_key(image: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_model(model(image))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"backbone": "tiny_bert"}, r"model\.text\.backbone: .*did you mean tiny-bert\?"),
        ({"weights": "pretrained"}, r"model\.text\.weights: tiny-bert has no pretrained weights"),
        ({"backbone": "./nothing"}, r"model\.text\.backbone: the folder \./nothing does not exist"),
    ],
    ids=str,
)
def test_a_wrong_text_tower_names_its_key(text: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_model(model(text=text))


def test_a_file_of_weights_must_name_its_architecture(tmp_path: Path) -> None:
    unnamed, named = tmp_path / "best-model.pth", tmp_path / "resnet18-mine.pth"
    unnamed.touch()
    named.touch()
    check_model(model({"backbone": str(named), "weights": "pretrained"}))
    with pytest.raises(InputError, match="begins with its architecture"):
        check_model(model({"backbone": str(unnamed), "weights": "pretrained"}))
    with pytest.raises(InputError, match=r"model\.image\.weights: .*set it to pretrained"):
        check_model(model({"backbone": str(named)}))


@pytest.mark.parametrize(
    "image",
    [{"backbone": "tiny-vit"}, {"backbone": "vit_b_16", "size": 32}, {"backbone": "vit_l_32-mine.pth"}],
    ids=str,
)
def test_a_vit_has_patches_to_hide(image: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vit_l_32-mine.pth").touch()
    weights = {"weights": "pretrained"} if image["backbone"].endswith(".pth") else {}
    check_vit(model(image | weights).image)


def test_masked_autoencoding_of_another_tower_is_refused(tmp_path: Path) -> None:
    for backbone in ("tiny-cnn", "resnet50", "convnext_tiny"):
        with pytest.raises(InputError, match=rf"adapt\.image\.method: mae hides patches, and {backbone} has none"):
            check_vit(model({"backbone": backbone}).image)
    with pytest.raises(InputError, match=r"model\.image\.size: 32 pixels are one patch of 32"):
        check_vit(model({"backbone": "vit_b_32", "size": 32}).image)
    saved = folder(tmp_path, model_type="vit", patch_size=16, image_size=224)
    check_vit(model({"backbone": saved, "size": 64}).image)


def test_a_folder_without_a_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.image\.backbone: .* holds no config\.json"):
        check_model(model({"backbone": str(tmp_path)}))


def test_a_model_of_the_wrong_kind_is_named_with_the_kinds_known(tmp_path: Path) -> None:
    generator = folder(tmp_path, model_type="gpt2")
    with pytest.raises(InputError, match=r"model\.text\.backbone: .* is of type 'gpt2'; known: bert, "):
        check_model(model(text={"backbone": generator}))
    with pytest.raises(InputError, match=r"model\.image\.backbone: .* is of type 'gpt2'"):
        check_model(model({"backbone": generator}))


def test_imagenet_weights_are_only_torchvisions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.image\.weights: imagenet is for torchvision"):
        check_model(model({"backbone": folder(tmp_path, model_type="vit"), "weights": "imagenet"}))


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"model_type": "bert", "max_position_embeddings": 64}, 64),
        ({"model_type": "roberta", "max_position_embeddings": 66}, 64),
        ({"model_type": "clip", "text_config": {}}, 77),
    ],
    ids=str,
)
def test_more_tokens_than_positions_are_refused(config: dict[str, Any], most: int, tmp_path: Path) -> None:
    name = folder(tmp_path, **config)
    check_model(model(text={"backbone": name, "max_tokens": most}))
    with pytest.raises(InputError, match=rf"model\.text\.max_tokens: .* set it to {most} or less"):
        check_model(model(text={"backbone": name, "max_tokens": most + 1}))


def test_patches_must_tile_the_image_unless_the_model_was_made_for_it(tmp_path: Path) -> None:
    name = folder(tmp_path, model_type="siglip", vision_config={"patch_size": 14, "image_size": 384})
    check_model(model({"backbone": name, "size": 384}))
    check_model(model({"backbone": name, "size": 224}))
    with pytest.raises(InputError, match=r"model\.image\.size: 230 .* try 224"):
        check_model(model({"backbone": name, "size": 230}))


@pytest.mark.parametrize("kind", TEXT_CLASSES)
def test_simcse_is_refused_of_towers_without_dropout_and_of_no_other(kind: str, save: Any) -> None:
    """CLIP and SigLIP drop nothing: both views of a report would be one. Beside the modules of the tower itself."""
    settings = TextTower(backbone=str(save(kind)), weights="pretrained", max_tokens=16)
    drops = any(isinstance(part, nn.Dropout) and part.p > 0 for part in build_text_tower(settings, 40).modules())
    assert drops != kind.startswith(("clip", "siglip"))
    if drops:
        check_dropout(settings)
        return
    with pytest.raises(InputError, match=r"objective\.text_ssl\.kind: simcse .* has no dropout, so that both would"):
        check_dropout(settings)


def test_simcse_is_refused_of_a_tower_whose_dropout_is_0(tmp_path: Path) -> None:
    check_dropout(TextTower())
    none = {"model_type": "bert", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.1}
    with pytest.raises(InputError, match="has no dropout"):
        check_dropout(TextTower(backbone=folder(tmp_path, **none), weights="pretrained"))
