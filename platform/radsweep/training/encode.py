"""Towers and heads run on a batch: what trials and adaptation stages have in common."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from radsweep.augment.masking import MaskedTexts
from radsweep.augment.random import subkeys
from radsweep.models.features import ImageTowerModule, PatchTower, TextTowerModule
from radsweep.training.batches import Batch
from radsweep.training.dropout import seeded

LIKE_LENGTH = 16  # texts encoded together on a CPU

Encode = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]  # ids, mask and rows of a group -> rows of features


def in_groups(ids_bL: Tensor, mask_bL: Tensor, encode: Encode) -> tuple[Tensor, ...]:
    """`encode` of all texts; on a CPU in groups of like length, each cut to its longest: half of a batch of reports is
    padding otherwise, and time goes by tokens."""
    if ids_bL.device.type != "cpu":
        return encode(ids_bL, mask_bL, torch.arange(len(ids_bL), device=ids_bL.device))
    lengths_b = mask_bL.sum(dim=1)
    order_b = lengths_b.argsort(stable=True)
    found = []
    for rows in order_b.split(LIKE_LENGTH):
        longest = int(lengths_b[rows].max())
        found.append(encode(ids_bL[rows, :longest], mask_bL[rows, :longest], rows))
    back_b = order_b.argsort()
    return tuple(torch.cat(parts)[back_b] for parts in zip(*found, strict=True))


def encode_image_ssl(
    tower: ImageTowerModule, head: nn.Module, pixels_bCSS: tuple[Tensor, ...], keys_b: Tensor
) -> dict[str, Tensor]:
    """What the head gives for each of two strong views: `image_ssl VIEW NUMBER`, of the first view first."""
    keys = torch.cat([subkeys(keys_b, f"ssl {view}") for view in range(len(pixels_bCSS))])
    with seeded(tower, keys):
        pooled = tower(torch.cat(pixels_bCSS)).pooled_BP
    views = [head(part) for part in pooled.chunk(len(pixels_bCSS))]  # a view each: BatchNorm sees one at a time
    return {
        f"image_ssl {view} {number}": output
        for view, outputs in enumerate(views)
        for number, output in enumerate(outputs)
    }


def encode_masked_patches(
    tower: PatchTower, head: nn.Module, pixels_bCSS: Tensor, kept_bV: Tensor, keys_b: Tensor
) -> Tensor:
    """[b]: the loss of each image of which the patches `kept_bV` alone are shown."""
    with seeded(tower, subkeys(keys_b, "masked")):
        tokens_bNP = tower.encode_visible(pixels_bCSS, kept_bV)
    loss_b: Tensor = head(tokens_bNP, kept_bV, pixels_bCSS)
    return loss_b


def encode_text_ssl(tower: TextTowerModule, head: nn.Module, kind: str, batch: Batch) -> dict[str, Tensor]:
    """mlm: the loss of each text and its number of predicted tokens; simcse: one text under two dropout masks."""
    if kind == "mlm":
        assert batch.masked is not None
        loss_b, count_b = encode_masked(tower, head, batch.masked, batch.keys_b)
        return {"text_ssl loss": loss_b, "text_ssl count": count_b}
    text = batch.texts[0]

    def pooled(keys_b: Tensor) -> Tensor:
        def encode(ids_gL: Tensor, mask_gL: Tensor, rows_g: Tensor) -> tuple[Tensor, ...]:
            with seeded(tower, keys_b[rows_g]):
                return (head(tower(ids_gL, mask_gL).pooled_BP),)

        return in_groups(text.ids_BL, text.mask_BL, encode)[0]

    return {f"text_ssl {view}": pooled(subkeys(batch.keys_b, f"ssl {view}")) for view in range(2)}


def encode_masked(
    tower: TextTowerModule, head: nn.Module, masked: MaskedTexts, keys_b: Tensor
) -> tuple[Tensor, Tensor]:
    """(Sum of cross-entropies [b], number of predicted tokens [b]) of masked texts."""
    dropout_b = subkeys(keys_b, "masked")

    def encode(ids_gL: Tensor, mask_gL: Tensor, rows_g: Tensor) -> tuple[Tensor, ...]:
        with seeded(tower, dropout_b[rows_g]):
            tokens_gLC = tower(ids_gL, mask_gL).last_BLC
        return tuple(head(tokens_gLC, masked.target_BL[rows_g, : ids_gL.shape[1]], tower.input_embeddings))

    loss_b, count_b = in_groups(masked.ids_BL, masked.mask_BL, encode)
    return loss_b, count_b
