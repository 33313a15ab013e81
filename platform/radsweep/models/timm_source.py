"""timm's models: their names, and where their weights are. Nothing is downloaded but a config.json."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from radsweep.config.paths import local_weights
from radsweep.data.images.preprocessing import Preprocessing, Resize
from radsweep.errors import InputError
from radsweep.models.backbone_names import WEIGHT_FILES, architecture_in, check_name, nearest
from radsweep.models.hub import Unreadable, find_file, has_file, read_json

_RESIZES: dict[str, Resize] = {"squash": "squash", "border": "longest"}  # others keep the shortest side
FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class TimmSource(NamedTuple):
    """`model`: as `timm.create_model` takes it. `weights`: a file, a folder or a hub id; empty if there are none."""

    model: str
    weights: str


def import_timm() -> Any:
    """The library, which takes seconds to load.

    Raises:
        InputError: it is not installed.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise InputError(
            "towers of timm need the library timm, which is not installed: pip install 'radsweep[full]'"
        ) from None
    return timm


def timm_source(backbone: str) -> TimmSource:
    """The model behind `timm:NAME`, `timm:` and a hub id, a folder in timm's layout, or a file of weights.

    Raises:
        InputError: an unknown name, a missing file or folder, or one that names no model of timm's.
    """
    name = local_weights(backbone)
    if name.endswith(WEIGHT_FILES):
        if not Path(name).is_file():
            raise InputError(f"the file {name} does not exist")
        architecture = architecture_in(name)
        _check_known(architecture, f"the name of a file of weights begins with its architecture; {name}: ")
        return TimmSource(architecture, name)
    if "/" in name or Path(name).is_absolute():
        return TimmSource(_described(name), name)
    _check_known(name)
    return TimmSource(name, _published(name))


def check_timm_weights(backbone: str) -> str:
    """The place of a model's weights, if they can be had.

    Raises:
        InputError: they cannot.
    """
    source = timm_source(backbone)
    if not source.weights:
        raise without_weights(source)
    if Path(source.weights).is_file():
        return source.weights
    silent = ""
    for file in FILES:
        try:
            if has_file(source.weights, file):
                return source.weights
        except Unreadable as error:  # another of the files may be in the cache
            silent = str(error)
    if silent:
        raise InputError(f"cannot download the weights of {source.weights} ({silent})")
    raise InputError(f"{source.weights} has no weights; add {FILES[0]}")


def timm_preprocessing(backbone: str) -> Preprocessing:
    """The preprocessing of a model's own configuration, as `timm.data.create_transform` has it for evaluation."""
    timm = import_timm()
    config = timm.models.resolve_model_input_args(timm_source(backbone).model)["pretrained_cfg"]
    data = timm.data.resolve_data_config(pretrained_cfg=config)
    crop = data["input_size"][-1]
    return Preprocessing(
        resize=_RESIZES.get(data["crop_mode"], "shortest"),
        size=math.floor(crop / data["crop_pct"]),
        crop=crop,
        interpolation=data["interpolation"],
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
    )


def without_weights(source: TimmSource) -> InputError:
    """The error of a model that the hub has no weights of."""
    config, name = import_timm().get_pretrained_cfg(source.model), source.model
    if config is not None and config.url:
        return InputError(
            f"the weights of {name} are not on the hub; download {config.url}, and set it to the file's path after "
            f"timm:, such as timm:/path/{name}-mine.pth"
        )
    known = _tags(name)
    return InputError(
        f"timm has no weights for {name}{known}; choose another name, or set model.image.weights to scratch"
    )


def _described(name: str) -> str:
    """The model that the config.json of a folder or hub id describes, as `timm.create_model` takes it."""
    check_name(name, [])
    try:
        config = read_json(name, "config.json") or {}
        path = find_file(name, "config.json")
    except Unreadable as error:
        raise InputError(f"{name} is not a local folder, and as a hub id it cannot be read ({error})") from None
    architecture = config.get("architecture") or config.get("pretrained_cfg", {}).get("architecture")
    if path is None or not isinstance(architecture, str):
        raise InputError(
            f"{name} holds no config.json with an `architecture` of timm's; give a folder in the layout of "
            "`timm.models.save_for_hf`, or timm:NAME"
        )
    _check_known(architecture, f"{name}/config.json: ")
    return f"local-dir:{path.parent}"


def _published(name: str) -> str:
    """The hub id of a registered model's weights; empty if they are not on the hub."""
    config = import_timm().get_pretrained_cfg(name)
    return (config and config.hf_hub_id) or ""


def _check_known(name: str, place: str = "") -> None:
    timm = import_timm()
    architecture, _, tag = name.partition(".")
    renamed = timm.models.get_deprecated_models()
    if architecture in renamed:
        advice = f"is {renamed[architecture]} now; write that" if renamed[architecture] else "is not in timm any more"
        raise InputError(f"{place}{architecture} {advice}")
    if not timm.is_model(architecture):
        close = nearest(architecture, timm.list_models())
        raise InputError(f"{place}timm has no model {architecture!r}{close}; a folder is written ./{architecture}")
    known = timm.list_models(f"{architecture}.*", include_tags=True)
    if tag and name not in known:
        raise InputError(f"{place}timm has no weights {name!r}{nearest(name, known)}{_tags(architecture)}")


def _tags(name: str) -> str:
    """The tags that a model's weights are published under."""
    known = import_timm().list_pretrained(f"{name.partition('.')[0]}.*")
    return f"; published: {', '.join(known[:5])}" if known else ""
