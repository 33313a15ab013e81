"""Configurations of models that others saved: what they are, and which settings fit them. No weights are read.

Kinds are the `model_type` of config.json: `cxr-bert` is BioViL's (its image file is beside its text model);
`open_clip` stands for open_clip's own layout, which has no such name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from radsweep.config.model import ImageTower, TextTower
from radsweep.config.paths import TINY, TORCHVISION
from radsweep.errors import InputError
from radsweep.models.backbone_names import nearest
from radsweep.models.hub import Unreadable, has_file, read_json
from radsweep.models.open_clip_config import open_clip_settings

OPEN_CLIP, CXR_BERT = "open_clip", "cxr-bert"
OPEN_CLIP_CONFIG = "open_clip_config.json"
BIOVIL_T_FILE, BIOVIL_FILE = "biovil_t_image_model_proj_size_128.pt", "biovil_image_resnet50_proj_size_128.pt"

# kind -> class of transformers
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
    "siglip": "SiglipTextModel",
    "siglip_text_model": "SiglipTextModel",
    CXR_BERT: "BertModel",
}
IMAGE_KINDS = (*IMAGE_CLASSES, OPEN_CLIP, CXR_BERT)
TEXT_KINDS = (*TEXT_CLASSES, OPEN_CLIP)
WHOLE_KINDS = ("clip", "siglip", OPEN_CLIP, CXR_BERT)
_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "mpnet")  # the first of them are never used
_POSITIONS = {"clip": 77, "clip_text_model": 77, "siglip": 64, "siglip_text_model": 64}  # where a config leaves it out


def model_config(name: str, known: Collection[str]) -> dict[str, Any]:
    """config.json of a hub id or local folder, or open_clip_config.json with the kind added.

    Raises:
        InputError: neither can be read, or its kind is not one of `known`.
    """
    try:
        config = read_json(name, "config.json") or {}
        kind = config.get("model_type") or ("bert" if "type_vocab_size" in config else None)  # files before 2019
        if kind not in known and (other := read_json(name, OPEN_CLIP_CONFIG)) is not None:
            config, kind = other, OPEN_CLIP
    except Unreadable as error:
        raise InputError(
            f"{name} is neither a known name nor a local folder, and as a hub id it cannot be read "
            f"({error}){nearest(name, [*TINY, 'tiny-bert', *TORCHVISION])}"
        ) from None
    if kind is None and isinstance(config.get("architecture"), str):
        raise InputError(f"{name} is a model of timm's; write timm:{name}")
    if kind is None:
        raise InputError(f"{name} holds no config.json with a model_type; give the folder of a saved model")
    if kind not in known:
        raise InputError(f"{name} is of type {kind!r}; known: {', '.join(sorted(known))}")
    return config | {"model_type": kind}


def biovil_file(name: str) -> str:
    """The file of a BioViL or BioViL-T image model beside its text model.

    Raises:
        InputError: there is none.
    """
    try:
        found = [file for file in (BIOVIL_T_FILE, BIOVIL_FILE) if has_file(name, file)]
    except Unreadable as error:
        raise InputError(f"the files of {name} cannot be listed ({error})") from None
    if not found:
        raise InputError(f"{name} only has a text model; put {BIOVIL_T_FILE} or {BIOVIL_FILE} beside it")
    return found[0]


def check_patches(settings: ImageTower, patch: Any, native: Any) -> None:
    """Refuse an image size that patches of `patch` pixels do not tile, unless the model was made for it."""
    if isinstance(patch, int) and settings.size != native and settings.size % patch:
        lower = max(settings.size // patch, 1) * patch
        raise InputError(
            f"{settings.size} is not a multiple of the patches of {patch} pixels; try {lower}",
            key="model.image.size",
        )


def patches(config: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    """(Side of a patch, side of the image a model was made for), pixels; None if it has no patches."""
    if config["model_type"] == OPEN_CLIP:
        settings = open_clip_settings(config, name)
        return settings.patch, settings.size
    vision = config.get("vision_config") or config
    return vision.get("patch_size"), vision.get("image_size")


def hidden_layers(config: Mapping[str, Any], part: str) -> int | None:
    """Number of layers of one tower of a model of transformers; None if its configuration leaves it out.

    Args:
        part: key of the tower's own configuration in that of a whole model.
    """
    tower = config.get(part) or config
    found = tower.get("num_hidden_layers", tower.get("n_layers"))
    return found if isinstance(found, int) else None


def check_positions(settings: TextTower, config: Mapping[str, Any]) -> None:
    """Refuse more tokens than a text model has positions for (of open_clip's: than it was trained with)."""
    most = positions(config, settings.backbone)
    if settings.max_tokens > most:
        raise InputError(
            f"{settings.backbone} has positions for {most} tokens, not {settings.max_tokens}; set it to {most} or less",
            key="model.text.max_tokens",
        )


def has_dropout(config: Mapping[str, Any]) -> bool:
    """True if a text model drops features in training; dropout of attention is left out of all of them."""
    if config["model_type"].startswith(("clip", "siglip")):
        return False
    return config["model_type"] == OPEN_CLIP or config.get("hidden_dropout_prob", config.get("dropout", 0.1)) > 0


def positions(config: Mapping[str, Any], name: str) -> int:
    """Tokens that a text model has positions for (of open_clip's: that it was trained with)."""
    kind, text = config["model_type"], config.get("text_config") or config
    if kind == OPEN_CLIP:
        return open_clip_settings(config, name).tokens
    found = int(text.get("max_position_embeddings", _POSITIONS.get(kind, 512)))
    return found - 2 if kind in _POSITIONS_AFTER_PADDING else found
