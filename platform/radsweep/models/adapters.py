"""Fitting little data: towers that stay as they start, or learn through few parameters."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from radsweep.errors import InputError
from radsweep.models.features import TowerModule


def freeze(tower: TowerModule) -> None:
    """No parameter is trained, BatchNorm statistics do not move, nothing is dropped (LiT, Zhai et al. 2022)."""
    tower.requires_grad_(False)
    _keep_still(tower, tower)


def train_top(tower: TowerModule, count: int, key: str) -> None:
    """Freeze what lies below the last `count` layers, as `freeze` does for a whole tower.

    Args:
        key: key of the experiment file, for messages.

    Raises:
        InputError: the tower has fewer layers.
    """
    layers, depths = len(tower.layers()), tower.depths()
    if count > layers:
        raise InputError(f"the backbone has {layers} layers; set it to {layers} or less, or leave it out", key=key)
    for name, parameter in tower.named_parameters():
        if depths[name] <= layers - count:
            parameter.requires_grad_(False)
    _keep_still(tower, *_untrained(tower))


def freeze_batchnorm(tower: TowerModule, key: str) -> None:
    """BatchNorm as it starts: its statistics and parameters do not move.

    Raises:
        InputError: the tower has none.
    """
    norms = batch_norms(tower)
    if not norms:
        raise InputError("the backbone has no BatchNorm; leave it out", key=key)
    for norm in norms:
        for parameter in norm.parameters(recurse=False):
            parameter.requires_grad_(False)
    _keep_still(tower, *norms)


def batch_norms(tower: nn.Module) -> list[nn.Module]:
    return [module for module in tower.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def _keep_still(tower: TowerModule, *parts: nn.Module) -> None:
    tower.still = (*tower.still, *parts)
    tower.train(tower.training)


def _untrained(module: nn.Module) -> Iterator[nn.Module]:
    """The largest parts that have parameters, none of which is trained."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        yield module
        return
    for child in module.children():
        yield from _untrained(child)


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
