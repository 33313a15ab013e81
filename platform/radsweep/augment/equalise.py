"""Contrast-limited adaptive histogram equalisation (CLAHE, Zuiderveld 1994), of a whole batch, as OpenCV computes it.

N planes: images times channels. T tiles along a side, V values of a pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TILES = 8
VALUES = 256


def equalised(images_BCHW: Tensor, limit_B: Tensor) -> Tensor:
    """float32 in [0, 1], each channel by itself.

    Args:
        images_BCHW: float32 in [0, 1]; read as 256 values.
        limit_B: largest count of a value in a tile, as a multiple of the mean count; what is above is spread over all.
    """
    channels = images_BCHW.shape[1]
    if len(images_BCHW) == 0:
        return images_BCHW
    value_NHW = images_BCHW.mul(VALUES - 1).round().long().flatten(0, 1)
    table_NTTV = _tables(value_NHW, limit_B.repeat_interleave(channels))
    found = _between_tiles(table_NTTV, value_NHW) / (VALUES - 1)
    return found.view(images_BCHW.shape).to(images_BCHW.dtype)


def _tables(value_NHW: Tensor, limit_N: Tensor) -> Tensor:
    """[N, T, T, V]: the new value of each value in each tile, between 0 and 255."""
    planes, height, width = value_NHW.shape
    tall, wide = (-(-side // TILES) for side in (height, width))
    missing = (0, wide * TILES - width, 0, tall * TILES - height)
    padded = (
        functional.pad(value_NHW.float()[:, None], missing, mode="reflect").long()[:, 0] if any(missing) else value_NHW
    )
    tiles = padded.view(planes, TILES, tall, TILES, wide).transpose(2, 3).reshape(planes, TILES, TILES, tall * wide)
    count = torch.zeros(planes, TILES, TILES, VALUES, dtype=torch.int64, device=tiles.device)
    count.scatter_add_(3, tiles, torch.ones_like(tiles))
    most = (limit_N * (tall * wide) / VALUES).long().clamp(min=1).view(-1, 1, 1, 1)
    excess = (count - most).clamp(min=0).sum(dim=3, keepdim=True)
    count = count.minimum(most) + excess // VALUES
    left, place = excess % VALUES, torch.arange(VALUES, device=count.device)
    step = (VALUES // left.clamp(min=1)).clamp(min=1)
    count = count + ((place % step == 0) & (place // step < left))
    return (count.cumsum(dim=3) * ((VALUES - 1) / (tall * wide))).round().clamp(max=VALUES - 1)


def _between_tiles(table_NTTV: Tensor, value_NHW: Tensor) -> Tensor:
    """[N, H, W]: each pixel by the tables of the four tiles whose centres are around it, by their distances."""
    height, width, device = *value_NHW.shape[1:], value_NHW.device
    (top_H, bottom_H, down_H), (left_W, right_W, along_W) = (_neighbours(side, device) for side in (height, width))
    flat = table_NTTV.flatten(1)

    def by(row_H: Tensor, column_W: Tensor) -> Tensor:
        tile_HW = row_H[:, None] * TILES + column_W
        return flat.gather(1, (tile_HW * VALUES + value_NHW).flatten(1)).view(value_NHW.shape)

    upper = by(top_H, left_W).lerp(by(top_H, right_W), along_W)
    lower = by(bottom_H, left_W).lerp(by(bottom_H, right_W), along_W)
    return upper.lerp(lower, down_H[:, None]).round()


def _neighbours(side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Tiles before and after each pixel of a row or column, and its distance from the first's centre, in tiles."""
    position = torch.arange(side, device=device) / -(-side // TILES) - 0.5
    before = position.floor()
    return before.clamp(min=0).long(), (before + 1).clamp(max=TILES - 1).long(), position - before
