"""Towers and their outputs. B samples, P pooled width, R regions, L tokens, C channels of regions or tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn


class ImageFeatures(NamedTuple):
    """`None` where pooled features were kept from an earlier run of a frozen tower."""

    pooled_BP: Tensor
    regions_BRC: Tensor | None = None  # row by row from the top left


class TextFeatures(NamedTuple):
    """Special tokens and padding are included. `None` as for images."""

    pooled_BP: Tensor
    tokens_BLC: Tensor | None = None  # for the local term: the sum of the tower's last `summed_layers` layers
    last_BLC: Tensor | None = None  # of the last layer only


class TowerModule(nn.Module, ABC):
    """A tower of either kind. `still`: parts that stay in evaluation mode whatever mode its model is put in."""

    width: int  # P
    still: tuple[nn.Module, ...] = ()

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self.still:  # itself, if it is frozen
            nn.Module.train(part, False)
        return self

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """Its blocks from the input up: residual blocks, transformer layers."""

    def depths(self) -> dict[str, int]:
        """{parameter's name: depth}: 0 before the first of N layers, i within layer i, N + 1 after the last.

        As BEiT (Bao et al. 2022) and MAE (He et al. 2022) number them for fine-tuning. What stands between two layers
        belongs to the upper one, as a ConvNeXt's downsampling (Liu et al. 2022).
        """
        layer_of = {
            id(parameter): number for number, layer in enumerate(self.layers(), 1) for parameter in layer.parameters()
        }
        depths: dict[str, int] = {}
        reached = 0  # parameters come in the order in which they were registered: from the input up
        for name, parameter in self.named_parameters():
            inside = layer_of.get(id(parameter))
            reached = inside or reached
            depths[name] = inside or (reached + 1 if reached else 0)
        return depths


class ImageTowerModule(TowerModule):
    """Maps float pixels [B, C, H, W] in [0, 1] to ImageFeatures."""

    region_width: int  # C


class PatchTower(ImageTowerModule):
    """A ViT, which can be shown a part of an image: each patch is a token from the first layer on."""

    patch: int  # side, pixels
    patches: int  # R, of a whole image

    @abstractmethod
    def encode_visible(self, pixels_BCHW: Tensor, kept_BV: Tensor) -> Tensor:
        """Tokens [B, K + V, C] after the last layer: K of no patch (class, registers), then the V patches shown.

        Args:
            kept_BV: int64, numbers of the patches that are shown, row by row from the top left; no other is read.
        """


class TextTowerModule(TowerModule):
    """Maps ids int64 [B, L] and mask bool [B, L] to TextFeatures, which do not depend on the amount of padding."""

    token_width: int  # C
    summed_layers: int = 1

    @property
    @abstractmethod
    def input_embeddings(self) -> Tensor:
        """The parameter [vocabulary, E] that ids are looked up in; a decoder of masked tokens shares it."""


def full_precision(values: Tensor) -> Tensor:
    """The values in float32 at least, which norms, similarities and losses are computed in."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def regions_of_map(map_BCHW: Tensor) -> Tensor:
    """[B, H * W, C]."""
    return map_BCHW.flatten(2).transpose(1, 2)


def rows_of(tokens_BRC: Tensor, kept_BV: Tensor) -> Tensor:
    """[B, V, C]: each sample's own choice of rows."""
    return tokens_BRC.gather(1, kept_BV[:, :, None].expand(-1, -1, tokens_BRC.shape[2]))


def mean_of_tokens(tokens_BLC: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, C]: the mean over the tokens that are not padding."""
    weight_BL1 = mask_BL.unsqueeze(-1).to(tokens_BLC.dtype)
    return (tokens_BLC * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)
