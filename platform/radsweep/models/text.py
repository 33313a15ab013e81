"""Text towers by name, hub id, or local folder.

Attention has no dropout: it would not be a module, and could not be seeded by sample.
"""

from __future__ import annotations

from typing import Any

from radsweep.config.model import TextTower
from radsweep.data.text.tokenizer import SPECIAL_TOKENS
from radsweep.errors import InputError, explaining
from radsweep.models.backbone_checks import text_source
from radsweep.models.configs import OPEN_CLIP, TEXT_CLASSES, TEXT_KINDS, check_positions, model_config
from radsweep.models.features import TextTowerModule
from radsweep.models.transformers_text import SiglipText, TransformersText, padding_id

_WITHOUT_POOLER = ("distilbert", "electra", "clip", "clip_text_model", "siglip", "siglip_text_model")


@explaining(key="model.text.backbone")
def build_text_tower(settings: TextTower, vocabulary: int) -> TextTowerModule:
    """The tower, in float32 on the CPU; its random parts come from torch's global state.

    `freeze` and `lora` are left to `radsweep.models.vlm.build_model`: an adapted tower is loaded before them.

    Args:
        vocabulary: number of ids of the tokenizer.

    Raises:
        InputError: unknown backbone, weights that cannot be read, or more tokens than it has positions for.
    """
    if text_source(settings) == "tiny":
        return TransformersText(_tiny_bert(settings.max_tokens, vocabulary), settings.pooling)
    config = model_config(settings.backbone, TEXT_KINDS)
    check_positions(settings, config)
    kind = config["model_type"]
    if kind == OPEN_CLIP:
        from radsweep.models.open_clip import open_clip_text

        encoder = open_clip_text(settings)
    else:
        encoder = _transformers_text(settings, config, vocabulary)
    known: int = encoder.config.vocab_size
    if known < vocabulary:
        raise InputError(
            f"{settings.backbone} knows {known} ids, its tokenizer {vocabulary}: model and tokenizer do not belong "
            "together"
        )
    if kind.startswith("siglip"):
        pad = padding_id(settings.backbone) if settings.weights == "pretrained" else encoder.config.pad_token_id
        return SiglipText(encoder, settings.pooling, pad)
    return TransformersText(encoder, settings.pooling, ends=kind.startswith("clip"))


def _transformers_text(settings: TextTower, raw: dict[str, Any], vocabulary: int) -> Any:
    import transformers

    from radsweep.models.pretrained import load_pretrained, text_config

    kind = raw["model_type"]
    model_class = getattr(transformers, TEXT_CLASSES[kind])
    config = text_config(model_class, settings.backbone, raw)
    extra: dict[str, Any] = {} if kind in _WITHOUT_POOLER else {"add_pooling_layer": False}
    if settings.weights == "pretrained":
        return load_pretrained(model_class, settings.backbone, config, **extra)
    config.vocab_size = vocabulary
    names = {"pad_token_id": "[PAD]", "bos_token_id": "[CLS]", "eos_token_id": "[SEP]"}
    config.update({key: SPECIAL_TOKENS.index(name) for key, name in names.items()})
    return model_class(config, **extra)


def _tiny_bert(max_tokens: int, vocabulary: int) -> Any:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=max_tokens,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.0,
        pad_token_id=SPECIAL_TOKENS.index("[PAD]"),
    )
    return BertModel(config, add_pooling_layer=False)
