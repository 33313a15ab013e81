"""What towers are and return. B samples, P pooled width, R regions, L tokens, C channels of regions or tokens."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class ImageFeatures(NamedTuple):
    pooled_BP: Tensor
    regions_BRC: Tensor  # row by row from the top left


class TextFeatures(NamedTuple):
    pooled_BP: Tensor
    tokens_BLC: Tensor  # special tokens and padding included


class ImageTowerModule(nn.Module):
    """Maps float pixels [B, C, H, W] in [0, 1] to ImageFeatures."""

    width: int  # P
    region_width: int  # C


class TextTowerModule(nn.Module):
    """Maps ids int64 [B, L] and mask bool [B, L] to TextFeatures, which do not depend on the amount of padding."""

    width: int  # P
    token_width: int  # C


def regions_of_map(map_BCHW: Tensor) -> Tensor:
    """[B, H * W, C]."""
    return map_BCHW.flatten(2).transpose(1, 2)


def mean_of_tokens(tokens_BLC: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, C]: the mean over the tokens that are no padding."""
    weight_BL1 = mask_BL.unsqueeze(-1).to(tokens_BLC.dtype)
    return (tokens_BLC * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)
