"""What towers are and return. B samples, P pooled width, R regions, L tokens, C channels of regions or tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Self

from torch import Tensor, nn


class ImageFeatures(NamedTuple):
    """`None` where pooled features were kept from an earlier run of a frozen tower."""

    pooled_BP: Tensor
    regions_BRC: Tensor | None = None  # row by row from the top left


class TextFeatures(NamedTuple):
    """Special tokens and padding are included. `None` as for images."""

    pooled_BP: Tensor
    tokens_BLC: Tensor | None = None  # for the local term: the sum of the tower's last `summed_layers` layers
    last_BLC: Tensor | None = None  # of the last layer alone


class TowerModule(nn.Module, ABC):
    """A tower of either kind. `frozen`: it stays in evaluation mode whatever mode its model is put in."""

    width: int  # P
    frozen = False

    def train(self, mode: bool = True) -> Self:
        return super().train(mode and not self.frozen)

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """Its blocks from the input up: residual blocks, transformer layers."""


class ImageTowerModule(TowerModule):
    """Maps float pixels [B, C, H, W] in [0, 1] to ImageFeatures."""

    region_width: int  # C


class TextTowerModule(TowerModule):
    """Maps ids int64 [B, L] and mask bool [B, L] to TextFeatures, which do not depend on the amount of padding."""

    token_width: int  # C
    summed_layers: int = 1

    @property
    @abstractmethod
    def input_embeddings(self) -> Tensor:
        """The parameter [vocabulary, E] that ids are looked up in; a decoder of masked tokens shares it."""


def regions_of_map(map_BCHW: Tensor) -> Tensor:
    """[B, H * W, C]."""
    return map_BCHW.flatten(2).transpose(1, 2)


def mean_of_tokens(tokens_BLC: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, C]: the mean over the tokens that are no padding."""
    weight_BL1 = mask_BL.unsqueeze(-1).to(tokens_BLC.dtype)
    return (tokens_BLC * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)
