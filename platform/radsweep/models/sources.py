"""What a backbone's name means, checked on the driver before anything runs; it loads no weights."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from radsweep.errors import InputError
from radsweep.spec.trial import ImageTower, Model, TextTower

TORCHVISION = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
)
WEIGHT_FILES = (".safetensors", ".pth", ".pt")

# model_type of config.json -> class of transformers
IMAGE_CLASSES = {
    "vit": "ViTModel",
    "deit": "DeiTModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
}
TEXT_CLASSES = {
    "bert": "BertModel",
    "roberta": "RobertaModel",
    "xlm-roberta": "XLMRobertaModel",
    "distilbert": "DistilBertModel",
    "electra": "ElectraModel",
    "mpnet": "MPNetModel",
    "clip": "CLIPTextModel",
    "clip_text_model": "CLIPTextModel",
}
_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "mpnet")  # the first of them are never used


def check_model(model: Model) -> None:
    """Refuse towers that cannot be built, from names, local files and configurations alone.

    Raises:
        InputError: names the key, and the nearest known name.
    """
    source = image_source(model.image)
    if source == "torchvision" and torchvision_name(model.image.backbone).startswith("vit_"):
        check_patches(model.image, int(torchvision_name(model.image.backbone)[-2:]), native=None)
    if source == "transformers":
        raw = model_config(model.image.backbone, "model.image.backbone", IMAGE_CLASSES)
        vision = raw.get("vision_config") or raw
        check_patches(model.image, vision.get("patch_size"), vision.get("image_size"))
    if text_source(model.text) == "transformers":
        check_positions(model.text, model_config(model.text.backbone, "model.text.backbone", TEXT_CLASSES))


def image_source(settings: ImageTower) -> Literal["tiny", "torchvision", "transformers"]:
    """Which library a backbone comes from; a file of weights is torchvision's.

    Raises:
        InputError: `weights` that this backbone cannot have, or a file that is missing or names no architecture.
    """
    backbone, weights = settings.backbone, settings.weights
    if backbone == "tiny-cnn":
        if weights != "scratch":
            raise InputError(f"model.image.weights: tiny-cnn has no {weights} weights; set it to scratch")
        return "tiny"
    if backbone in TORCHVISION:
        if weights == "pretrained":
            raise InputError(
                f"model.image.weights: {backbone} has none by that name; set it to imagenet, or set "
                f"model.image.backbone to a file of weights such as /path/{backbone}-mine.safetensors"
            )
        return "torchvision"
    if backbone.endswith(WEIGHT_FILES):
        if not Path(backbone).is_file():
            raise InputError(f"model.image.backbone: there is no file {backbone}")
        name = torchvision_name(backbone)
        if name not in TORCHVISION:
            raise InputError(
                f"model.image.backbone: the name of a file of weights begins with its architecture, such as "
                f"resnet50-mine.safetensors; {name!r} is none{_nearest(name, TORCHVISION)}"
            )
        if weights != "pretrained":
            raise InputError(f"model.image.weights: {backbone} is a file of weights; set it to pretrained")
        return "torchvision"
    _check_name(backbone, "model.image.backbone", ["tiny-cnn", *TORCHVISION])
    if weights == "imagenet":
        raise InputError("model.image.weights: imagenet is for torchvision's backbones; set it to pretrained")
    return "transformers"


def text_source(settings: TextTower) -> Literal["tiny", "transformers"]:
    """Which library a backbone comes from.

    Raises:
        InputError: pretrained weights asked of tiny-bert, or a folder that is missing.
    """
    if settings.backbone == "tiny-bert":
        if settings.weights != "scratch":
            raise InputError("model.text.weights: tiny-bert has no pretrained weights; set it to scratch")
        return "tiny"
    _check_name(settings.backbone, "model.text.backbone", ["tiny-bert"])
    return "transformers"


def torchvision_name(backbone: str) -> str:
    """The architecture in a name, or in a file's name before the first hyphen (as torchvision's own files have it)."""
    return Path(backbone).stem.split("-")[0] if backbone.endswith(WEIGHT_FILES) else backbone


def model_config(name: str, key: str, known: Mapping[str, str]) -> dict[str, Any]:
    """config.json of a hub id or local folder.

    Raises:
        InputError: it cannot be read, or its model_type is not one of `known`.
    """
    from transformers import PreTrainedConfig

    try:
        config, _ = PreTrainedConfig.get_config_dict(name)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{key}: {name} is neither a known name nor a local folder, and as a hub id it cannot be read "
            f"({str(error).strip().splitlines()[0]}){_nearest(name, ['tiny-cnn', 'tiny-bert', *TORCHVISION])}"
        ) from None
    if "model_type" not in config:
        raise InputError(f"{key}: {name} holds no config.json with a model_type; give the folder of a saved model")
    if config["model_type"] not in known:
        raise InputError(f"{key}: {name} is of type {config['model_type']!r}; known: {', '.join(sorted(known))}")
    return config


def check_patches(settings: ImageTower, patch: Any, native: Any) -> None:
    """Refuse an image size that patches of `patch` pixels do not tile, unless the model was made for it."""
    if isinstance(patch, int) and settings.size != native and settings.size % patch:
        lower = max(settings.size // patch, 1) * patch
        raise InputError(
            f"model.image.size: {settings.size} is no multiple of the patches of {patch} pixels; try {lower}"
        )


def check_positions(settings: TextTower, config: Mapping[str, Any]) -> None:
    """Refuse more tokens than a text model has positions for."""
    text = config.get("text_config") or config
    positions = text.get("max_position_embeddings", 77 if config["model_type"].startswith("clip") else 512)
    if config["model_type"] in _POSITIONS_AFTER_PADDING:
        positions -= 2
    if settings.max_tokens > positions:
        raise InputError(
            f"model.text.max_tokens: {settings.backbone} has positions for {positions} tokens, not "
            f"{settings.max_tokens}; set it to {positions} or less"
        )


def _check_name(backbone: str, key: str, known: list[str]) -> None:
    """A missing local folder and a misspelt name are told from a hub id without asking the hub."""
    if Path(backbone).is_dir():
        return
    if backbone.startswith(("/", ".", "~")) or backbone.count("/") > 1:
        raise InputError(f"{key}: there is no folder {backbone}")
    if difflib.get_close_matches(backbone, known, 1, 0.8):
        raise InputError(f"{key}: unknown name {backbone!r}{_nearest(backbone, known)}")


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f"; did you mean {close[0]}?" if close else ""
