"""Checks of backbones by name, on the driver before anything runs; they load no weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from radsweep.config.model import ImageTower, Model, TextTower
from radsweep.config.paths import TINY, TINY_TEXT, TORCHVISION, is_timm
from radsweep.errors import InputError, explaining
from radsweep.models.backbone_names import TINY_PATCH, WEIGHT_FILES, architecture_in, check_name, nearest
from radsweep.models.configs import (
    CXR_BERT,
    IMAGE_KINDS,
    OPEN_CLIP,
    TEXT_KINDS,
    biovil_file,
    check_patches,
    check_positions,
    has_dropout,
    hidden_layers,
    model_config,
    patches,
)
from radsweep.models.pretrained_vlm import check_whole

WHOLLY_TRAINED = {"freeze": False, "lora": 0, "top_layers": None, "freeze_batchnorm": False}
LAYERS_OF_TINY = {"tiny-cnn": 5, "tiny-vit": 4, "tiny-bert": 2}


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
    patch, size = _patch(settings), settings.size
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


@explaining(key="model.text.backbone")
def check_dropout(settings: TextTower) -> None:
    """Refuse SimCSE of a tower without dropout, whose two views would be the same; `check_model` has passed.

    Raises:
        InputError: names `objective.text_ssl.kind`.
    """
    if text_source(settings) == "transformers" and not has_dropout(model_config(settings.backbone, TEXT_KINDS)):
        raise InputError(
            f"simcse shows a report under two dropout masks, but {settings.backbone} has no dropout, so that both "
            "would be the same; set it to mlm, or objective.text_ssl.weight to 0",
            key="objective.text_ssl.kind",
        )


@explaining(key="model.image.backbone")
def image_source(settings: ImageTower) -> Literal["tiny", "torchvision", "timm", "transformers"]:
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
    if is_timm(backbone):
        if weights == "imagenet":
            message = "imagenet is for torchvision's backbones; set it to pretrained, and name weights by their tag"
            raise InputError(f"{message} (timm:resnet50.a1_in1k)", key="model.image.weights")
        if backbone.endswith(WEIGHT_FILES) and weights != "pretrained":
            raise InputError(f"{backbone} is a file of weights; set it to pretrained", key="model.image.weights")
        return "timm"
    if backbone.endswith(WEIGHT_FILES):
        if not Path(backbone).is_file():
            raise InputError(f"the file {backbone} does not exist", key="model.image.backbone")
        name = architecture_in(backbone)
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
    source = image_source(settings)
    if source in ("torchvision", "timm"):
        _check_built(settings)
        return
    if settings.freeze_batchnorm and settings.backbone in TINY:
        raise _without_batchnorm(settings)
    if source == "tiny":
        check_patches(settings, _patch(settings), native=None)
        _check_layers(settings, LAYERS_OF_TINY[settings.backbone], "model.image.top_layers")
        if settings.lora and settings.backbone == "tiny-cnn":
            raise _without_linear_layers(settings)
        return
    config = model_config(settings.backbone, IMAGE_KINDS)
    check_patches(settings, *patches(config, settings.backbone))
    _check_pretrained_alone(config, settings, "model.image.weights", (OPEN_CLIP, CXR_BERT))
    _check_layers(settings, hidden_layers(config, "vision_config"), "model.image.top_layers")
    if settings.freeze_batchnorm and config["model_type"] != CXR_BERT:
        raise _without_batchnorm(settings)
    if config["model_type"] == CXR_BERT:
        biovil_file(settings.backbone)
        if settings.lora:
            raise _without_linear_layers(settings)


class _Built(NamedTuple):
    layers: int
    linear: bool  # it has linear layers
    batch_norm: bool
    patch: int | None  # side of a patch that it can be shown or not, pixels


def _check_built(settings: ImageTower) -> None:
    """The same for towers that can be built without values, in a second."""
    tower = _built(settings.model_copy(update=WHOLLY_TRAINED))
    if settings.lora and not tower.linear:
        raise _without_linear_layers(settings)
    if settings.freeze_batchnorm and not tower.batch_norm:
        raise _without_batchnorm(settings)
    _check_layers(settings, tower.layers, "model.image.top_layers")


@cache
def _built(settings: ImageTower) -> _Built:
    """Facts of a tower of torchvision or timm, the same for all settings of what is trained."""
    from radsweep.models.adapters import batch_norms, matrices  # lazy import: PyTorch takes seconds to load
    from radsweep.models.image import check_by_building

    tower = check_by_building(settings)
    if is_timm(settings.backbone) and settings.weights == "pretrained":
        from radsweep.models.timm_image import check_resizing

        check_resizing(settings)
    return _Built(len(tower.layers()), bool(matrices(tower)), bool(batch_norms(tower)), getattr(tower, "patch", None))


def _check_layers(settings: ImageTower | TextTower, layers: int | None, key: str) -> None:
    """Refuse to train more layers than a tower has; None if its configuration does not say how many it has."""
    if settings.top_layers is not None and layers is not None and settings.top_layers > layers:
        raise InputError(
            f"{settings.backbone} has {layers} layers; set it to {layers} or less, or leave it out", key=key
        )


def _without_batchnorm(settings: ImageTower) -> InputError:
    return InputError(f"{settings.backbone} has no BatchNorm; leave it out", key="model.image.freeze_batchnorm")


def _without_linear_layers(settings: ImageTower) -> InputError:
    return InputError(
        f"{settings.backbone} has no linear layers to put adapters beside; choose a ViT, or set it to 0",
        key="model.image.lora",
    )


@explaining(key="model.text.backbone")
def _check_text(settings: TextTower) -> None:
    if text_source(settings) == "tiny":
        _check_layers(settings, LAYERS_OF_TINY[settings.backbone], "model.text.top_layers")
    else:
        config = model_config(settings.backbone, TEXT_KINDS)
        _check_layers(settings, hidden_layers(config, "text_config"), "model.text.top_layers")
        _check_pretrained_alone(config, settings, "model.text.weights", (OPEN_CLIP,))
        check_positions(settings, config)


def _patch(settings: ImageTower) -> int | None:
    """Side of a patch that a tower can be shown or not, pixels; None if it has none."""
    source = image_source(settings)
    if source == "tiny":
        return TINY_PATCH if settings.backbone == "tiny-vit" else None
    if source == "transformers":
        return patches(model_config(settings.backbone, IMAGE_KINDS), settings.backbone)[0]
    return _built(settings.model_copy(update=WHOLLY_TRAINED)).patch


def _check_pretrained_alone(
    config: dict[str, Any], settings: ImageTower | TextTower, key: str, kinds: tuple[str, ...]
) -> None:
    """The sizes of some models are only stored in their weights."""
    if config["model_type"] in kinds and settings.weights != "pretrained":
        raise InputError(
            f"{settings.backbone} can only be used with its pretrained weights; set weights: pretrained", key=key
        )
