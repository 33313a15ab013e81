"""Layers of models that were written elsewhere."""

from __future__ import annotations

from typing import Any

from torch import nn

COARSEST_REGION = 16  # side in pixels, if a model has maps finer than its last


def transformer_layers(encoder: Any) -> list[nn.Module]:
    """The layers of a model of the transformers library."""
    count = encoder.config.num_hidden_layers
    return next(list(part) for part in encoder.modules() if isinstance(part, nn.ModuleList) and len(part) == count)


def outer_blocks(body: nn.Module) -> list[nn.Module]:
    """The modules that a model runs one after another, in its order; sequences of larger modules are opened."""
    found: list[nn.Module] = []
    waiting = [(child, True) for child in body.children()]
    while waiting:
        module, outermost = waiting.pop(0)
        inner = list(module.children())
        if _is_sequence(module) and (outermost or any(list(part.children()) for part in inner)):
            waiting = [(part, False) for part in inner] + waiting
        else:
            found.append(module)
    return found


def residual_blocks(blocks: list[nn.Module]) -> list[nn.Module]:
    """Those of `outer_blocks` that count as layers: larger modules with a forward pass of their own.

    Of a model that has none (VGG), its convolutions above the first.
    """
    larger = [block for block in blocks if list(block.children()) and not _is_sequence(block)]
    trained = [block for block in larger if list(block.parameters())]
    convolutions = [block for block in blocks if isinstance(block, nn.Conv2d)]
    return trained or [*convolutions[1:]]


def _is_sequence(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList) or type(module).forward is nn.Sequential.forward
