"""AdamW with weight decay on matrices alone."""

from __future__ import annotations

import torch
from torch import nn

from radsweep.spec.trial import Train


def build_optimiser(model: nn.Module, train: Train) -> torch.optim.AdamW:
    """Biases, norms and the logit scale are not decayed (as open_clip does)."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": train.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=train.learning_rate, betas=(0.9, 0.98), eps=1e-6, foreach=True)
