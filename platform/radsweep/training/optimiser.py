"""AdamW with weight decay only on matrices, and a learning rate that falls with depth in a tower."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from radsweep.config.training import Train
from radsweep.models.features import TowerModule


def build_optimiser(model: nn.Module, train: Train) -> torch.optim.AdamW:
    """Biases, norms and the logit scale are not decayed (as open_clip does).

    Each group's `scale` is the part of the learning rate that it gets: `layer_decay` to the power of the layers above
    it in its tower (BEiT, Bao et al. 2022; MAE, He et al. 2022), 1 outside towers. Frozen parameters are in no group.
    """
    scales = _scales(model, train.layer_decay)
    groups: defaultdict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    groups[1.0, True], groups[1.0, False] = [], []  # first, whatever the model
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[scales.get(id(parameter), 1.0), parameter.dim() >= 2].append(parameter)
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


def _scales(model: nn.Module, decay: float) -> dict[int, float]:
    """{id of a parameter of a tower: its part of the learning rate}."""
    scales: dict[int, float] = {}
    if decay == 1:
        return scales
    for tower in model.modules():
        if isinstance(tower, TowerModule):
            depths, top = tower.depths(), len(tower.layers()) + 1
            for name, parameter in tower.named_parameters():
                scales[id(parameter)] = decay ** (top - depths[name])
    return scales
