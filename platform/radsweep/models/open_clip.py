"""BiomedCLIP (Zhang et al. 2023) and its like: open_clip's layout of a timm ViT and a BERT, without those libraries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

from radsweep.config.model import ImageTower, TextTower
from radsweep.errors import InputError
from radsweep.models.configs import check_patches
from radsweep.models.features import ImageTowerModule
from radsweep.models.normalise import Pixels
from radsweep.models.open_clip_config import open_clip_settings
from radsweep.models.pretrained import load_tensors
from radsweep.models.transformers_image import TransformersImage
from radsweep.models.weights import OPEN_CLIP_FILES, expected, read_weights

_HEAD_WIDTH = 64  # of every BERT and of the ViTs that `open_clip_settings` lets pass
_VIT_NAMES = (  # timm's, as whole parts of a name, and those of transformers' checkpoints
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("norm", "layernorm"),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("attn.proj", "attention.output.dense"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
)


def open_clip_image(settings: ImageTower, config: Mapping[str, Any]) -> ImageTowerModule:
    """See `radsweep.models.image.build_image_tower`; `config` is open_clip_config.json."""
    name = settings.backbone
    known = open_clip_settings(config, name)
    check_patches(settings, known.patch, known.size)
    state = _part(name, "visual.trunk.")
    with expected(name):
        width, channels = state["patch_embed.proj.weight"].shape[:2]
        vit = ViTConfig(
            hidden_size=width,
            num_hidden_layers=_count(state, r"blocks\.(\d+)\."),
            num_attention_heads=width // _HEAD_WIDTH,
            intermediate_size=len(state["blocks.0.mlp.fc1.weight"]),
            layer_norm_eps=1e-6,
            image_size=known.size,
            patch_size=known.patch,
            num_channels=channels,
        )
    encoder = load_tensors(ViTModel, _as_transformers(state), vit, name, add_pooling_layer=False)
    pixels = Pixels(settings.channels, channels, known.mean, known.std)
    return TransformersImage(encoder, pixels, pooled_by_model=False, size=settings.size)


def open_clip_text(settings: TextTower) -> Any:
    """The BERT of a text tower.

    Raises:
        InputError: another text model.
    """
    name = settings.backbone
    state = _part(name, "text.transformer.")
    with expected(name):
        if len(state["embeddings.token_type_embeddings.weight"]) != 2:  # RoBERTa has the same names, other positions
            raise InputError(f"the text model of {name} is not a BERT, as that of BiomedCLIP is")
        words, width = state["embeddings.word_embeddings.weight"].shape
        bert = BertConfig(
            vocab_size=words,
            hidden_size=width,
            num_hidden_layers=_count(state, r"encoder\.layer\.(\d+)\."),
            num_attention_heads=width // _HEAD_WIDTH,
            intermediate_size=len(state["encoder.layer.0.intermediate.dense.weight"]),
            max_position_embeddings=len(state["embeddings.position_embeddings.weight"]),
            attention_probs_dropout_prob=0.0,
        )
    return load_tensors(BertModel, state, bert, name, add_pooling_layer=False)


def _part(name: str, prefix: str) -> dict[str, Tensor]:
    tensors = read_weights(name, (prefix,), OPEN_CLIP_FILES)
    return {tensor.removeprefix(prefix): value for tensor, value in tensors.items()}


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return len({found[1] for name in state if (found := re.match(pattern, name))})


def _as_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A timm ViT under transformers' names; queries, keys and values apart."""
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        name = re.sub(r"^blocks\.", "encoder.layer.", name)
        if ".attn.qkv." in name:
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                result[name.replace("attn.qkv", f"attention.attention.{part}")] = rows.contiguous()
            continue
        for theirs, ours in _VIT_NAMES:
            name = re.sub(rf"(^|\.){re.escape(theirs)}(\.|$)", rf"\g<1>{ours}\g<2>", name)
        result[name] = tensor
    return result
