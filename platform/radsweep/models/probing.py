"""Shapes that a model gives, found without computing anything."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.func import functional_call


@torch.no_grad()
def outputs_without_values(body: nn.Module, channels: int, size: int) -> Any:
    """Outputs of `body` in evaluation mode for two images: tensors on the meta device, which only have shapes."""
    tensors = {**dict(body.named_parameters()), **dict(body.named_buffers())}
    training = body.training
    body.eval()
    try:
        with torch.device("meta"):
            shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
            return functional_call(body, shapes, (torch.zeros(2, channels, size, size),))
    finally:
        body.train(training)
