"""Text towers by name, hub id, or local folder.

Attention has no dropout: it would not be a module, and could not be seeded by sample.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from radsweep.data.tokenizer import SPECIAL_TOKENS
from radsweep.errors import InputError
from radsweep.models.features import TextFeatures, TextTowerModule, mean_of_tokens
from radsweep.models.sources import TEXT_CLASSES, check_positions, model_config, text_source
from radsweep.spec.trial import TextTower

_WITHOUT_POOLER = ("distilbert", "electra", "clip", "clip_text_model")


class TransformersText(TextTowerModule):
    """A transformers encoder and its pooling."""

    def __init__(self, encoder: nn.Module, pooling: str, ends: bool) -> None:
        """`ends`: the summary of a text is its last token (CLIP), not its first."""
        super().__init__()
        self.encoder, self.pooling, self.ends = encoder, pooling, ends
        config: Any = encoder.config
        self.width = self.token_width = int(config.hidden_size)

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> TextFeatures:
        tokens_BLC = self.encoder(input_ids=ids_BL, attention_mask=mask_BL.long()).last_hidden_state
        if self.pooling == "mean":
            return TextFeatures(mean_of_tokens(tokens_BLC, mask_BL), tokens_BLC)
        if self.ends:
            last_B11 = mask_BL.sum(dim=1).sub(1).view(-1, 1, 1).expand(-1, 1, tokens_BLC.shape[2])
            return TextFeatures(tokens_BLC.gather(1, last_B11).squeeze(1), tokens_BLC)
        return TextFeatures(tokens_BLC[:, 0], tokens_BLC)


def build_text_tower(settings: TextTower, vocabulary: int) -> TextTowerModule:
    """The tower, in float32 on the CPU; its random parts come from torch's global state.

    Args:
        vocabulary: number of ids of the tokenizer.

    Raises:
        InputError: unknown backbone, weights that cannot be read, or more tokens than it has positions for.
    """
    if text_source(settings) == "tiny":
        return TransformersText(_tiny_bert(settings.max_tokens, vocabulary), settings.pooling, ends=False)
    import transformers

    from radsweep.models.pretrained import load_pretrained, without_attention_dropout

    raw = model_config(settings.backbone, "model.text.backbone", TEXT_CLASSES)
    check_positions(settings, raw)
    kind = raw["model_type"]
    model_class = getattr(transformers, TEXT_CLASSES[kind])
    config = without_attention_dropout(model_class.config_class.from_pretrained(settings.backbone))
    extra: dict[str, Any] = {} if kind in _WITHOUT_POOLER else {"add_pooling_layer": False}
    if settings.weights == "pretrained":
        encoder = load_pretrained(model_class, settings.backbone, config, "model.text.backbone", **extra)
    else:
        config.vocab_size = vocabulary
        names = {"pad_token_id": "[PAD]", "bos_token_id": "[CLS]", "eos_token_id": "[SEP]"}
        config.update({key: SPECIAL_TOKENS.index(name) for key, name in names.items()})
        encoder = model_class(config, **extra)
    if config.vocab_size < vocabulary:
        raise InputError(
            f"model.text.backbone: {settings.backbone} knows {config.vocab_size} ids, its tokenizer "
            f"{vocabulary}: model and tokenizer do not belong together"
        )
    return TransformersText(encoder, settings.pooling, ends=kind.startswith("clip"))


def _tiny_bert(max_tokens: int, vocabulary: int) -> nn.Module:
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
