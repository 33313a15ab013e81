"""Fitting little data: towers that stay as they start, or learn through few parameters."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from radsweep.errors import InputError
from radsweep.models.features import TowerModule


def freeze(tower: TowerModule) -> None:
    """No parameter is trained, BatchNorm statistics do not move, nothing is dropped (LiT, Zhai et al. 2022)."""
    tower.requires_grad_(False)
    tower.frozen = True
    tower.eval()


def add_adapters(tower: TowerModule, rank: int, key: str) -> None:
    """Low-rank adapters beside each linear layer; the tower's own weights are frozen (LoRA, Hu et al. 2022).

    Their output starts at zero, so the tower starts as it was; alpha is the rank, so that it is not scaled. The
    attention of torchvision's ViTs, one fused matrix and no linear layer, has none.

    Args:
        rank: of the adapters.
        key: key of the experiment file, for messages.

    Raises:
        InputError: a tower without linear layers.
    """
    from peft import LoraConfig, inject_adapter_in_model

    names = linear_layers(tower)
    if not names:
        raise InputError("the backbone has no linear layers to put adapters beside; set it to 0", key=key)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=names), tower)


def linear_layers(tower: nn.Module) -> list[str]:
    """Names of the linear layers that are called: attention of PyTorch only reads the weight of its output layer."""
    return [
        name
        for name, module in tower.named_modules()
        if isinstance(module, nn.Linear) and not isinstance(module, NonDynamicallyQuantizableLinear)
    ]
