"""Checks that a trial's settings fit the whole vision-language model that it starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from radsweep.config.model import Model
from radsweep.errors import InputError, explaining, joined
from radsweep.models.backbone_names import check_name
from radsweep.models.configs import (
    CXR_BERT,
    OPEN_CLIP,
    WHOLE_KINDS,
    biovil_file,
    check_patches,
    check_positions,
    model_config,
    patches,
    positions,
)
from radsweep.models.open_clip_config import open_clip_settings
from radsweep.models.published import published_preprocessing

KEY = "model.pretrained"
LONGEST_REPORT = 512  # tokens


@explaining(key=KEY)
def check_whole(model: Model) -> None:
    """Refuse settings that a whole model does not fit, all of them at once; it loads no weights.

    Raises:
        InputError: one line for each key, with the value to set.
    """
    name = str(model.pretrained)
    check_name(name, [])
    _check_fit(model, name, model_config(name, WHOLE_KINDS))


def fitting_settings(name: str) -> Model:
    """Settings of a whole model as it was published: its own preprocessing of images, tokens, width, pooling.

    Args:
        name: hub id or local folder.

    Raises:
        InputError: it cannot be read, or is not a whole model.
    """
    check_name(name, [])
    config = model_config(name, WHOLE_KINDS)
    own = published_preprocessing(name)
    size = patches(config, name)[1] or own.crop
    tokens = min(positions(config, name), LONGEST_REPORT)
    model = {
        "pretrained": name,
        "image": {"size": size, "channels": own.channels, "preprocessing": "own"},
        "text": {"max_tokens": tokens, "pooling": _pooling(config, name)},
        "dim": _width(config, name),
    }
    settings = Model.model_validate(model)
    _check_fit(settings, name, config)
    return settings


def _pooling(config: Mapping[str, Any], name: str) -> str:
    """Pooling of the text tower."""
    return open_clip_settings(config, name).pooling if config["model_type"] == OPEN_CLIP else "cls"


def _check_fit(model: Model, name: str, config: Mapping[str, Any]) -> None:
    if problems := list(_problems(model, name, config)):
        raise joined(problems)


def _problems(model: Model, name: str, config: Mapping[str, Any]) -> Iterator[InputError]:
    for tower in ("image", "text"):
        backbone = getattr(model, tower).backbone
        if backbone != name:
            message = f"{KEY} brings both towers; leave it out, or set it to {name}"
            yield InputError(message, key=f"model.{tower}.backbone")
            return
    if config["model_type"] == CXR_BERT:
        yield from _errors(lambda: biovil_file(name))
    width = _width(config, name)
    if model.dim != width:
        message = f"{name} embeds in {width} dimensions, not {model.dim}; set it to {width}"
        yield InputError(message, key="model.dim")
    pooling = _pooling(config, name)
    if model.text.pooling != pooling:
        message = f"{name} was trained with {pooling}, not {model.text.pooling}; set it to {pooling}"
        yield InputError(message, key="model.text.pooling")
    yield from _errors(lambda: check_patches(model.image, *patches(config, name)))
    yield from _errors(lambda: check_positions(model.text, config))


def _width(config: Mapping[str, Any], name: str) -> int:
    """Width of the shared embedding space."""
    kind = config["model_type"]
    if kind == OPEN_CLIP:
        return open_clip_settings(config, name).dim
    if kind == "siglip":  # no projection
        return int(config.get("vision_config", {}).get("hidden_size", 768))
    return int(config.get("projection_size", 128) if kind == CXR_BERT else config.get("projection_dim", 512))


def _errors(check: Callable[[], object]) -> Iterator[InputError]:
    try:
        check()
    except InputError as error:
        yield from error.errors
