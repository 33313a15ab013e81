"""Masked autoencoding (MAE, He et al. 2022): the hidden patches of an image are predicted from the others.

Shapes: B images, C channels, R patches, V of them shown, Q = C * patch * patch pixels of one, P width of the tower,
K tokens of no patch, D width of the decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_WIDTH = 32  # of the decoder's attention, as published: 16 heads of 512


class MaskedPatchHead(nn.Module):
    """MAE's decoder: pre-norm transformer layers over all patches, the hidden ones as one learned token."""

    def __init__(self, width: int, patches: int, patch: int, channels: int, decoder_width: int, layers: int) -> None:
        """
        Args:
            width: P.
            patches, patch: R, a square number, and the side of one, pixels.
            decoder_width, layers: D, a multiple of `HEAD_WIDTH`, and depth of the decoder.
        """
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(width, decoder_width)
        self.hidden_D = nn.Parameter(torch.empty(decoder_width))
        self.register_buffer("position_RD", sine_positions(patches, decoder_width), persistent=False)
        self.position_RD: Tensor
        self.layers = nn.Sequential(*(_layer(decoder_width) for _ in range(layers)))
        self.norm = nn.LayerNorm(decoder_width, eps=1e-6)
        self.predict = nn.Linear(decoder_width, channels * patch**2)
        nn.init.normal_(self.hidden_D, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, tokens_BNP: Tensor, kept_BV: Tensor, pixels_BCHW: Tensor) -> Tensor:
        """[B]: each image's loss, the mean over its hidden patches of the mean squared error of their pixels.

        Args:
            tokens_BNP: what the tower gave for the shown patches, [B, K + V, P] (`PatchTower.encode_visible`).
            kept_BV: int64, which patches they are.
            pixels_BCHW: the whole image.
        """
        target_BRQ = patch_targets(pixels_BCHW, self.patch)
        predicted_BRQ = self.predicted(tokens_BNP, kept_BV).to(target_BRQ.dtype)
        error_BR = (predicted_BRQ - target_BRQ).square().mean(dim=2)
        hidden_BR = torch.ones_like(error_BR).scatter(1, kept_BV, 0.0)
        return (error_BR * hidden_BR).sum(dim=1) / hidden_BR.sum(dim=1)

    def predicted(self, tokens_BNP: Tensor, kept_BV: Tensor) -> Tensor:
        """[B, R, Q]."""
        embedded_BND = self.embed(tokens_BNP)
        others = embedded_BND.shape[1] - kept_BV.shape[1]
        all_BRD = self.hidden_D.to(embedded_BND.dtype).expand(len(kept_BV), len(self.position_RD), -1)
        where_BVD = kept_BV[:, :, None].expand(-1, -1, all_BRD.shape[2])
        all_BRD = all_BRD.scatter(1, where_BVD, embedded_BND[:, others:]) + self.position_RD
        decoded = self.norm(self.layers(torch.cat([embedded_BND[:, :others], all_BRD], dim=1)))
        return self.predict(decoded[:, others:])


def patch_targets(pixels_BCHW: Tensor, patch: int) -> Tensor:
    """[B, R, Q]: the pixels of each patch, less their mean, over their deviation (He et al. 2022, table 1d).

    A margin that no patch covers is left out, as by the towers' own patches.
    """
    patches_BRQ = functional.unfold(pixels_BCHW, patch, stride=patch).transpose(1, 2)
    mean, variance = patches_BRQ.mean(dim=2, keepdim=True), patches_BRQ.var(dim=2, keepdim=True)
    return (patches_BRQ - mean) / (variance + 1e-6).sqrt()


def sine_positions(patches: int, width: int) -> Tensor:
    """float32 [R, D]: sines and cosines of the column, then of the row, in MAE's order; D a multiple of 4."""
    side = int(patches**0.5)
    frequency_F = 10_000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    angle_SF = torch.arange(side, dtype=torch.float64)[:, None] * frequency_F
    waves_SW = torch.cat([angle_SF.sin(), angle_SF.cos()], dim=1)
    column_RW, row_RW = waves_SW.repeat(side, 1), waves_SW.repeat_interleave(side, dim=0)
    return torch.cat([column_RW, row_RW], dim=1).float()


def _layer(width: int) -> nn.Module:
    return nn.TransformerEncoderLayer(
        width,
        nhead=width // HEAD_WIDTH,
        dim_feedforward=4 * width,
        dropout=0.0,
        activation="gelu",
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=True,
    )
