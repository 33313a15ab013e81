"""AdamW with weight decay only on matrices, and learning rates by part of the model and by depth in a tower."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from radsweep.config.training import Train
from radsweep.models.features import ImageTowerModule, TowerModule
from radsweep.models.vlm import VisionLanguageModel

# Class tokens and their like, and learned positions, by the names that torchvision, timm and transformers give them.
_TOKENS = r"(cls|class|dist|distillation|mask|reg|register)_tokens?|class_embedding"
_POSITIONS = r"\w*pos(ition)?(al)?_?emb(ed(ding)?s?)?(_\w+)?|relative_(position|attention)_bias(_table)?"
_UNDECAYED = re.compile(rf"({_TOKENS}|{_POSITIONS})(\.weight)?")


def build_optimiser(model: nn.Module, train: Train) -> torch.optim.AdamW:
    """Biases, norms, class tokens, positions and the logit scale are not decayed (as open_clip, timm and BEiT do).

    Each group's `scale` is the part of the learning rate that it gets: that of `learning_rates`, in a tower times
    `layer_decay` to the power of the layers above (BEiT, Bao et al. 2022; MAE, He et al. 2022). Frozen parameters are
    in no group.
    """
    scales, undecayed = _scales(model, train), set(_undecayed(model))
    groups: defaultdict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    heads = train.learning_rates.heads
    groups[heads, True], groups[heads, False] = [], []  # first, whatever the model
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[scales.get(id(parameter), heads), id(parameter) not in undecayed].append(parameter)
    described = [
        {
            "params": parameters,
            "weight_decay": train.weight_decay if decayed else 0.0,
            "lr": train.learning_rate * scale,
            "scale": scale,
        }
        for (scale, decayed), parameters in groups.items()
    ]
    return torch.optim.AdamW(described, lr=train.learning_rate, betas=(0.9, 0.98), eps=1e-6, foreach=True)


def _scales(model: nn.Module, train: Train) -> dict[int, float]:
    """{id of a parameter of a tower, or of the scale of similarities: its part of the learning rate}."""
    scales: dict[int, float] = {}
    rates = train.learning_rates
    for module in model.modules():
        if isinstance(module, TowerModule):
            rate = rates.image if isinstance(module, ImageTowerModule) else rates.text
            depths, top = module.depths(), len(module.layers()) + 1
            for name, parameter in module.named_parameters():
                scales[id(parameter)] = rate * train.layer_decay ** (top - depths[name])
        if isinstance(module, VisionLanguageModel):
            learned = (module.logit_scale, module.logit_bias)
            scales |= {id(parameter): rates.temperature for parameter in learned if parameter is not None}
    return scales


def _undecayed(model: nn.Module) -> Iterator[int]:
    """Ids of vectors, whatever shape they are kept in, of class tokens, and of positions."""
    for name, parameter in model.named_parameters():
        a_vector = parameter.dim() < 2 or (parameter.dim() > 2 and parameter.numel() == max(parameter.shape))
        if (
            a_vector
            or _UNDECAYED.fullmatch(".".join(name.split(".")[-2:]))
            or _UNDECAYED.fullmatch(name.split(".")[-1])
        ):
            yield id(parameter)
    for module in model.modules():
        listed: Any = getattr(module, "no_weight_decay", None)  # by models of timm
        if listed is not None:
            named = dict(module.named_parameters())
            yield from (id(named[name]) for name in listed() if name in named)
