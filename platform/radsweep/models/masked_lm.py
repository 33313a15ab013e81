"""The head for masked tokens that a pretrained text model was trained with. E width of its embeddings, V its ids."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from radsweep.config.model import TextTower
from radsweep.models.backbone_checks import text_source
from radsweep.models.configs import CXR_BERT, TEXT_KINDS, model_config


class MaskedLanguageHead(NamedTuple):
    """Dense layer, activation and norm of tokens, then the decoder."""

    dense: nn.Linear
    activation: nn.Module
    norm: nn.LayerNorm
    bias_V: Tensor
    decoder_VE: Tensor | None  # None: the input embeddings, as most models have it


# kind -> class of transformers, the part with the layers of its head, and their names
_HEADS = {
    "bert": ("BertForMaskedLM", "cls.predictions.transform", "dense", "transform_act_fn", "LayerNorm"),
    "roberta": ("RobertaForMaskedLM", "lm_head", "dense", "gelu", "layer_norm"),
    "xlm-roberta": ("XLMRobertaForMaskedLM", "lm_head", "dense", "gelu", "layer_norm"),
    "mpnet": ("MPNetForMaskedLM", "lm_head", "dense", "gelu", "layer_norm"),
    "distilbert": ("DistilBertForMaskedLM", "", "vocab_transform", "activation", "vocab_layer_norm"),
    "electra": ("ElectraForMaskedLM", "generator_predictions", "dense", "gelu", "LayerNorm"),
}


def masked_language_head(settings: TextTower) -> MaskedLanguageHead | None:
    """The head of a pretrained backbone's checkpoint; None if it starts from scratch or the checkpoint has none.

    Raises:
        InputError: weights that cannot be read.
    """
    if text_source(settings) == "tiny" or settings.weights != "pretrained":
        return None
    raw = model_config(settings.backbone, TEXT_KINDS)
    kind = "bert" if raw["model_type"] == CXR_BERT else raw["model_type"]
    if kind not in _HEADS:
        return None
    model = _with_head(settings.backbone, kind, raw)
    return None if model is None else _head_of(model, kind)


def _with_head(name: str, kind: str, raw: dict[str, Any]) -> Any:
    """The model and its head; None if the checkpoint lacks a part of the head."""
    import transformers

    from radsweep.models.pretrained import load_as_far_as_known, text_config

    model_class = getattr(transformers, _HEADS[kind][0])
    model, missing = load_as_far_as_known(model_class, name, text_config(model_class, name, raw))
    base = f"{model.base_model_prefix}."
    return None if any(not weight.startswith(base) for weight in missing) else model


def _head_of(model: Any, kind: str) -> MaskedLanguageHead:
    _, place, dense, activation, norm = _HEADS[kind]
    part, output = model.get_submodule(place), model.get_output_embeddings()
    acts = nn.GELU() if activation == "gelu" else getattr(part, activation)
    tied = output.weight is model.get_input_embeddings().weight
    return MaskedLanguageHead(
        getattr(part, dense), acts, getattr(part, norm), output.bias.detach(), None if tied else output.weight.detach()
    )
