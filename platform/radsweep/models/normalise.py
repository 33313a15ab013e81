"""From pixels in [0, 1] to what a backbone was made for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from radsweep.errors import InputError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pixels(nn.Module):
    """Repeats grey where a backbone wants `wanted` channels, and normalises with its mean and deviation.

    Raises:
        InputError: colour images for a backbone that only takes grey.
    """

    def __init__(self, channels: int, wanted: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if channels not in (1, wanted):
            raise InputError(
                f"the backbone takes {wanted}, not {channels}; set it to {wanted}",
                key="model.image.channels",
            )
        self.wanted = wanted
        self.register_buffer("mean_C11", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std_C11", torch.tensor(std).view(-1, 1, 1), persistent=False)
        self.mean_C11: Tensor
        self.std_C11: Tensor

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        return (pixels_BCHW.expand(-1, self.wanted, -1, -1) - self.mean_C11) / self.std_C11
