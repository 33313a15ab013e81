"""Depth of each parameter in its tower, for layer-wise learning rates."""

from __future__ import annotations

from typing import Any

from torch import nn

from radsweep.models.features import TowerModule


def parameter_depths(tower: TowerModule) -> dict[str, int]:
    """{parameter's name: depth}: 0 before the first of N layers, i within layer i, N + 1 after the last.

    As BEiT (Bao et al. 2022) and MAE (He et al. 2022) number them for fine-tuning. What stands between two layers
    belongs to the upper one, as a ConvNeXt's downsampling (Liu et al. 2022).
    """
    layer_of = {
        id(parameter): number for number, layer in enumerate(tower.layers(), 1) for parameter in layer.parameters()
    }
    depths: dict[str, int] = {}
    reached = 0  # parameters come in the order in which they were registered: from the input up
    for name, parameter in tower.named_parameters():
        inside = layer_of.get(id(parameter))
        reached = inside or reached
        depths[name] = inside or (reached + 1 if reached else 0)
    return depths


def transformer_layers(encoder: Any) -> list[nn.Module]:
    """The layers of a model of the transformers library."""
    count = encoder.config.num_hidden_layers
    return next(list(part) for part in encoder.modules() if isinstance(part, nn.ModuleList) and len(part) == count)
