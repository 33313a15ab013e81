"""Whether a trial's settings fit the whole vision-language model that it starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from radsweep.config.model import Model
from radsweep.errors import InputError
from radsweep.models.backbone_names import check_name
from radsweep.models.configs import (
    CXR_BERT,
    OPEN_CLIP,
    WHOLE_KINDS,
    check_patches,
    check_positions,
    model_config,
    patches,
    positions,
)
from radsweep.models.hub import Unreadable, has_file
from radsweep.models.open_clip_config import open_clip_settings

KEY = "model.from"
SIZE_WITHOUT_PATCHES = 480  # pixels, as BioViL was trained
LONGEST_REPORT = 512  # tokens
BIOVIL_FILES = ("biovil_t_image_model_proj_size_128.pt", "biovil_image_resnet50_proj_size_128.pt")


def check_whole(model: Model) -> None:
    """Refuse settings that a whole model does not fit, all of them at once; it loads no weights.

    Raises:
        InputError: one line for each key, with the value to set.
    """
    name = str(model.whole)
    check_name(name, KEY, [])
    config = model_config(name, KEY, WHOLE_KINDS)
    if problems := list(_problems(model, name, config)):
        raise InputError("\n".join(problems))


def fitting_settings(name: str, channels: Literal[1, 3] = 1) -> Model:
    """Settings of a whole model as it was published: image size, tokens, width, pooling.

    Args:
        name: hub id or local folder.
        channels: of the images as they are cached; grey is repeated for towers that want 3.

    Raises:
        InputError: it cannot be read, or is no whole model.
    """
    check_name(name, KEY, [])
    config = model_config(name, KEY, WHOLE_KINDS)
    size = patches(config, name)[1] or SIZE_WITHOUT_PATCHES
    tokens = min(positions(config, name), LONGEST_REPORT)
    model = {
        "from": name,
        "image": {"size": size, "channels": channels},
        "text": {"max_tokens": tokens, "pooling": _pooling(config, name)},
        "dim": _width(config, name),
    }
    settings = Model.model_validate(model)
    check_whole(settings)
    return settings


def _pooling(config: Mapping[str, Any], name: str) -> str:
    """How the text tower becomes one vector."""
    return open_clip_settings(config, name).pooling if config["model_type"] == OPEN_CLIP else "cls"


def _problems(model: Model, name: str, config: Mapping[str, Any]) -> Iterator[str]:
    for tower in ("image", "text"):
        backbone = getattr(model, tower).backbone
        if backbone != name:
            yield f"model.{tower}.backbone: {KEY} brings both towers; leave it out, or set it to {name}"
            return
    if config["model_type"] == CXR_BERT:
        yield from _message(lambda: biovil_file(name, KEY))
    width = _width(config, name)
    if model.dim != width:
        yield f"model.dim: {name} embeds in {width} dimensions, not {model.dim}; set it to {width}"
    pooling = _pooling(config, name)
    if model.text.pooling != pooling:
        yield f"model.text.pooling: {name} was trained with {pooling}, not {model.text.pooling}; set it to {pooling}"
    yield from _message(lambda: check_patches(model.image, *patches(config, name)))
    yield from _message(lambda: check_positions(model.text, config))


def _width(config: Mapping[str, Any], name: str) -> int:
    """Of the shared embedding space."""
    kind = config["model_type"]
    if kind == OPEN_CLIP:
        return open_clip_settings(config, name).dim
    if kind == "siglip":  # no projection
        return int(config.get("vision_config", {}).get("hidden_size", 768))
    return int(config.get("projection_size", 128) if kind == CXR_BERT else config.get("projection_dim", 512))


def biovil_file(name: str, key: str) -> str:
    """The file of a BioViL or BioViL-T image model that lies beside its text model.

    Raises:
        InputError: there is none.
    """
    try:
        found = [file for file in BIOVIL_FILES if has_file(name, file)]
    except Unreadable as error:
        raise InputError(f"{key}: the files of {name} cannot be listed ({error})") from None
    if not found:
        raise InputError(f"{key}: {name} has a text model alone; put {' or '.join(BIOVIL_FILES)} beside it")
    return found[0]


def _message(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except InputError as error:
        yield str(error)
