"""Dropout seeded by sample and epoch: the same masks for any batch order, batch size and number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from radsweep.augment.random import keep_mask, subkeys, uniform


class SampleDropout(nn.Module):
    """Dropout of x [B, ...] by the keys of its samples.

    Args:
        whole: drop whole samples (stochastic depth).
        scale: make up for what is dropped.
    """

    def __init__(self, p: float, number: int, whole: bool, scale: bool = True) -> None:
        super().__init__()
        self.p, self.number, self.whole, self.scale = p, number, whole, scale
        self.keys_B: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.keys_B is None or len(self.keys_B) != len(x):
            raise RuntimeError("dropout needs `seeded(...)` with one key a sample of the batch")
        keys_B = subkeys(self.keys_B, f"dropout {self.number}")
        if self.whole:
            keep = (uniform(keys_B, 1) >= self.p).view([-1] + [1] * (x.dim() - 1))
        else:
            keep = keep_mask(keys_B, x[0].numel(), self.p).view_as(x)
        return x * keep.to(x.dtype).mul_(1 / (1 - self.p) if self.scale else 1.0)


def seed_by_sample(model: nn.Module) -> None:
    """Replace every dropout of `model` by one that takes its masks from the samples' keys."""
    number = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if (seeded_child := _seeded(child, number)) is not None:
                setattr(parent, name, seeded_child.train(child.training))
                number += 1


def _seeded(layer: nn.Module, number: int) -> SampleDropout | None:
    """The replacement of a dropout layer; None for any other layer."""
    if isinstance(layer, nn.Dropout):
        return SampleDropout(layer.p, number, whole=False)
    if isinstance(layer, StochasticDepth):
        return SampleDropout(layer.p, number, whole=True)
    if type(layer).__name__.endswith("DropPath"):  # each library has its own class
        p: Any = layer.drop_prob
        return SampleDropout(p or 0.0, number, whole=True, scale=getattr(layer, "scale_by_keep", True))
    return None


@contextmanager
def seeded(model: nn.Module, keys_B: Tensor) -> Iterator[None]:
    """Within, dropout layers of `model` draw from these keys, int64 [B]."""
    layers = [module for module in model.modules() if isinstance(module, SampleDropout)]
    for layer in layers:
        layer.keys_B = keys_B
    try:
        yield
    finally:
        for layer in layers:
            layer.keys_B = None
