"""Layout and sizes of a model, from its open_clip_config.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from radsweep.errors import InputError

_VIT = re.compile(r"vit_(tiny|small|base|large)_patch(\d+)_(\d+)(\..*)?")  # heads of 64, class token, no pre-norm
_POOLING: dict[str, Literal["cls", "mean"]] = {"cls_last_hidden_state_pooler": "cls", "mean_pooler": "mean"}
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class OpenClip(NamedTuple):
    dim: int
    patch: int  # pixels
    size: int  # pixels, of the image's side
    pooling: Literal["cls", "mean"]  # of the text tower
    tokens: int  # of the longest text it was trained with
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Literal["shortest", "longest", "squash"]
    interpolation: Literal["bilinear", "bicubic"]


def open_clip_settings(config: Mapping[str, Any], name: str) -> OpenClip:
    """The settings of a model like BiomedCLIP: a plain timm ViT and a BERT.

    Raises:
        InputError: another of open_clip's models.
    """
    model, pixels = config.get("model_cfg", {}), config.get("preprocess_cfg", {})
    vision, text = model.get("vision_cfg", {}), model.get("text_cfg", {})
    found = _VIT.fullmatch(str(vision.get("timm_model_name")))
    pooling = _POOLING.get(text.get("hf_pooler_type"))
    class_token = vision.get("timm_pool", "") in ("", "token")
    if found is None or pooling is None or not class_token or "embed_dim" not in model:
        raise InputError(
            f"{name} is in open_clip's layout, but no plain timm ViT with a BERT, as BiomedCLIP is; if it is also "
            "published for the transformers library (config.json and model.safetensors), give that"
        )
    return OpenClip(
        dim=int(model["embed_dim"]),
        patch=int(found[2]),
        size=int(vision.get("image_size", found[3])),
        pooling=pooling,
        tokens=int(text.get("context_length", 77)),
        mean=tuple(pixels.get("mean", _CLIP_MEAN)),
        std=tuple(pixels.get("std", _CLIP_STD)),
        resize=pixels.get("resize_mode") or "shortest",
        interpolation="bilinear" if pixels.get("interpolation") == "bilinear" else "bicubic",
    )
