"""Fitting little data: towers that stay as they start, or learn through few parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

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


class LowRank(nn.Module):
    """W -> W + B A, of a matrix [out, in] (LoRA, Hu et al. 2022). B starts at zero; alpha is the rank: no scaling."""

    def __init__(self, weight_OI: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight_OI.shape
        self.lora_A = nn.Parameter(weight_OI.new_empty(rank, inputs))
        self.lora_B = nn.Parameter(weight_OI.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, weight_OI: Tensor) -> Tensor:
        return weight_OI + self.lora_B @ self.lora_A


def add_adapters(tower: TowerModule, rank: int, key: str) -> None:
    """Low-rank adapters of every matrix; the tower's own weights are frozen, and it starts as it was.

    Args:
        rank: of the adapters.
        key: key of the experiment file, for messages.

    Raises:
        InputError: a tower without linear layers.
    """
    found = matrices(tower)
    if not found:
        raise InputError("the backbone has no linear layers to put adapters beside; set it to 0", key=key)
    tower.requires_grad_(False)
    for module, name in found:
        register_parametrization(module, name, LowRank(getattr(module, name), rank))


def matrices(tower: nn.Module) -> list[tuple[nn.Module, str]]:
    """Linear maps of tokens or features: (module, name of its matrix). Those of attention are among them, whether it
    calls a linear layer, only reads its weight, or has one matrix for queries, keys and values."""
    linear: list[tuple[nn.Module, str]] = []
    for module in tower.modules():
        if isinstance(module, nn.Linear):
            linear.append((module, "weight"))
        if isinstance(module, nn.MultiheadAttention):
            own = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
            linear += [(module, name) for name in own if getattr(module, name) is not None]
    return linear
