"""Checks of backbones by name, on the driver before anything runs; they load no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from radsweep.config.model import ImageTower, Model, TextTower
from radsweep.config.paths import TINY, TINY_TEXT, TORCHVISION
from radsweep.errors import InputError, explaining
from radsweep.models.backbone_names import TINY_PATCH, WEIGHT_FILES, check_name, nearest, torchvision_name
from radsweep.models.configs import (
    CXR_BERT,
    IMAGE_KINDS,
    OPEN_CLIP,
    TEXT_KINDS,
    biovil_file,
    check_patches,
    check_positions,
    model_config,
    patches,
)
from radsweep.models.pretrained_vlm import check_whole

_WITHOUT_LINEAR = ("tiny-cnn", "resnet", "resnext", "wide_resnet")  # names that begin so


def check_model(model: Model) -> None:
    """Refuse towers that cannot be built, from names, local files and configurations only.

    Raises:
        InputError: names the key, and the nearest known name.
    """
    if model.pretrained is not None:
        check_whole(model)
    _check_image(model.image)
    _check_text(model.text)


@explaining(key="model.image.backbone")
def check_vit(settings: ImageTower) -> None:
    """Refuse masked autoencoding of a tower without patches to hide; `check_model` has passed.

    Raises:
        InputError: names `adapt.image.method`.
    """
    patch, size = _patches(settings, _image_config(settings))[0], settings.size
    if patch is None:
        raise InputError(
            f"mae hides patches, and {settings.backbone} has none; set model.image.backbone to a ViT (tiny-vit, "
            "vit_b_16, a hub id), or the method to simclr, simsiam or moco",
            key="adapt.image.method",
        )
    if size // patch < 2:
        raise InputError(
            f"{size} pixels are one patch of {patch}, and mae hides some; double it",
            key="model.image.size",
        )


@explaining(key="model.image.backbone")
def image_source(settings: ImageTower) -> Literal["tiny", "torchvision", "transformers"]:
    """The library of a backbone; a file of weights is torchvision's, other converters' count as transformers.

    Raises:
        InputError: `weights` that this backbone cannot have, or a file that is missing or names no architecture.
    """
    backbone, weights = settings.backbone, settings.weights
    if backbone in TINY:
        if weights != "scratch":
            raise InputError(f"{backbone} has no {weights} weights; set it to scratch", key="model.image.weights")
        return "tiny"
    if backbone in TORCHVISION:
        if weights == "pretrained":
            raise InputError(
                f"{backbone} has none by that name; set it to imagenet, or set model.image.backbone to a file of "
                f"weights such as /path/{backbone}-mine.safetensors",
                key="model.image.weights",
            )
        return "torchvision"
    if backbone.endswith(WEIGHT_FILES):
        if not Path(backbone).is_file():
            raise InputError(f"the file {backbone} does not exist", key="model.image.backbone")
        name = torchvision_name(backbone)
        if name not in TORCHVISION:
            raise InputError(
                "the name of a file of weights begins with its architecture, such as resnet50-mine.safetensors; "
                f"{name!r} is none{nearest(name, TORCHVISION)}",
                key="model.image.backbone",
            )
        if weights != "pretrained":
            raise InputError(f"{backbone} is a file of weights; set it to pretrained", key="model.image.weights")
        return "torchvision"
    check_name(backbone, [*TINY, *TORCHVISION])
    if weights == "imagenet":
        raise InputError("imagenet is for torchvision's backbones; set it to pretrained", key="model.image.weights")
    return "transformers"


@explaining(key="model.text.backbone")
def text_source(settings: TextTower) -> Literal["tiny", "transformers"]:
    """The library of a backbone.

    Raises:
        InputError: pretrained weights asked of tiny-bert, or a folder that is missing.
    """
    if settings.backbone == TINY_TEXT:
        if settings.weights != "scratch":
            raise InputError("tiny-bert has no pretrained weights; set it to scratch", key="model.text.weights")
        return "tiny"
    check_name(settings.backbone, [TINY_TEXT])
    return "transformers"


@explaining(key="model.image.backbone")
def _check_image(settings: ImageTower) -> None:
    source, name, kind = image_source(settings), torchvision_name(settings.backbone), ""
    config = _image_config(settings)
    check_patches(settings, *_patches(settings, config))
    if config is not None:
        kind = config["model_type"]
        _check_pretrained_alone(config, settings, "model.image.weights", (OPEN_CLIP, CXR_BERT))
        if kind == CXR_BERT:
            biovil_file(settings.backbone)
    if settings.lora and (kind == CXR_BERT or (source != "transformers" and name.startswith(_WITHOUT_LINEAR))):
        raise InputError(
            f"{settings.backbone} has no linear layers to put adapters beside; choose a ViT, or set it to 0",
            key="model.image.lora",
        )


@explaining(key="model.text.backbone")
def _check_text(settings: TextTower) -> None:
    if text_source(settings) == "transformers":
        config = model_config(settings.backbone, TEXT_KINDS)
        _check_pretrained_alone(config, settings, "model.text.weights", (OPEN_CLIP,))
        check_positions(settings, config)


def _image_config(settings: ImageTower) -> dict[str, Any] | None:
    """Configuration of a hub id or folder; None for a tower by name."""
    if image_source(settings) != "transformers":
        return None
    return model_config(settings.backbone, IMAGE_KINDS)


def _patches(settings: ImageTower, config: dict[str, Any] | None) -> tuple[Any, Any]:
    """As `radsweep.models.configs.patches`."""
    if config is not None:
        return patches(config, settings.backbone)
    name = torchvision_name(settings.backbone)
    if name == "tiny-vit":
        return TINY_PATCH, None
    return (int(name[-2:]) if name.startswith("vit_") else None), None


def _check_pretrained_alone(
    config: dict[str, Any], settings: ImageTower | TextTower, key: str, kinds: tuple[str, ...]
) -> None:
    """The sizes of some models are only stored in their weights."""
    if config["model_type"] in kinds and settings.weights != "pretrained":
        raise InputError(
            f"{settings.backbone} can only be used with its pretrained weights; set weights: pretrained", key=key
        )
