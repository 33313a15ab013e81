"""Towers and heads run on a batch: what trials and adaptation stages have in common."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from radsweep.augment.masking import MaskedTexts
from radsweep.augment.random import subkeys
from radsweep.augment.text import TextBatch
from radsweep.config.terms import Need
from radsweep.models.features import ImageTowerModule, PatchTower, TextTowerModule
from radsweep.models.vlm import VisionLanguageModel
from radsweep.objectives.moco import MomentumHead
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


def encode_strong_views(
    tower: ImageTowerModule, head: nn.Module, pixels_bCSS: tuple[Tensor, ...], keys_b: Tensor
) -> tuple[Tensor, ...]:
    """The head's outputs for the first of two strong views, then those for the second."""
    keys = torch.cat([subkeys(keys_b, f"ssl {view}") for view in range(len(pixels_bCSS))])
    with seeded(tower, keys):
        pooled = tower(torch.cat(pixels_bCSS)).pooled_BP
    parts = pooled.chunk(len(pixels_bCSS))
    if isinstance(head, MomentumHead):
        return tuple(
            rows for part, pixels in zip(parts, pixels_bCSS, strict=True) for rows in (head(part), head.keys(pixels))
        )
    views = [head(part) for part in parts]  # a view each: BatchNorm sees one at a time
    return tuple(output for outputs in views for output in outputs)


def encode_masked_patches(
    tower: PatchTower, head: nn.Module, pixels_bCSS: Tensor, kept_bV: Tensor, keys_b: Tensor
) -> Tensor:
    """[b]: the loss of each image of which only the patches `kept_bV` are shown."""
    with seeded(tower, subkeys(keys_b, "masked")):
        tokens_bNP = tower.encode_visible(pixels_bCSS, kept_bV)
    loss_b: Tensor = head(tokens_bNP, kept_bV, pixels_bCSS)
    return loss_b


def encode_dropout_views(
    tower: TextTowerModule, head: nn.Module, text: TextBatch, keys_b: Tensor
) -> tuple[Tensor, ...]:
    """The head's output for one text under each of two dropout masks."""

    def pooled(keys_b: Tensor) -> Tensor:
        def encode(ids_gL: Tensor, mask_gL: Tensor, rows_g: Tensor) -> tuple[Tensor, ...]:
            with seeded(tower, keys_b[rows_g]):
                return (head(tower(ids_gL, mask_gL).pooled_BP),)

        return in_groups(text.ids_BL, text.mask_BL, encode)[0]

    return tuple(pooled(subkeys(keys_b, f"ssl {view}")) for view in range(2))


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


def strong_view_outputs(model: VisionLanguageModel, head: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
    return encode_strong_views(model.image, head, batch.ssl_pixels_bCSS, batch.keys_b)


def masked_outputs(model: VisionLanguageModel, head: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
    assert batch.masked is not None
    return encode_masked(model.text, head, batch.masked, batch.keys_b)


def dropout_view_outputs(model: VisionLanguageModel, head: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
    return encode_dropout_views(model.text, head, batch.texts[0], batch.keys_b)


# What the module of a term that needs such an input makes of it: rows first.
OUTPUTS: dict[Need, Callable[[VisionLanguageModel, nn.Module, Batch], tuple[Tensor, ...]]] = {
    Need.STRONG_VIEWS: strong_view_outputs,
    Need.MASKED_TOKENS: masked_outputs,
    Need.DROPOUT_VIEWS: dropout_view_outputs,
}
