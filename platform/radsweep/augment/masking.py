"""Masked tokens and hidden patches, for a tower to predict."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from radsweep.augment.random import subkeys, uniform
from radsweep.augment.text import TextBatch
from radsweep.data.text.tokenizer import SpecialIds
from radsweep.errors import InputError

MASKED, RANDOM = 0.8, 0.1  # parts of the predicted tokens; the rest stay as they are


class MaskedTexts(NamedTuple):
    """B texts with some tokens hidden."""

    ids_BL: Tensor  # int64
    mask_BL: Tensor  # bool, False on padding
    target_BL: Tensor  # int64: the original token; -1 for tokens that are not predicted


def mask_id(special: SpecialIds) -> int:
    """Raises: InputError: the tokenizer has no mask token."""
    if special.mask is None:
        raise InputError(
            "objective.text_ssl.kind, adapt.text.method: mlm needs a mask token, and the tokenizer of "
            "model.text.backbone has none; choose another text backbone, or objective.text_ssl.kind: simcse"
        )
    return special.mask


def mask_tokens(
    text: TextBatch,
    special: SpecialIds,
    vocabulary: int,
    part: float,
    keys_B: Tensor,
    unit: Literal["token", "word"] = "token",
) -> MaskedTexts:
    """Masking of BERT (Devlin et al. 2019, appendix A.1): of the tokens to predict 80 % become the mask token, 10 % a
    random token, 10 % stay.

    As in BERT's code, round(part * tokens) of a report's tokens are predicted, and at least one if it has any.
    Special tokens are neither predicted nor drawn. By words, as BERT's whole-word masking: words in random order, each
    with all its tokens, and those left out that would pass the number; what becomes of a token is drawn for each token.

    Args:
        vocabulary: number of ids of the tokenizer.
        unit: whether tokens are chosen by themselves or in whole words.
        keys_B: int64, see `radsweep.augment.random.sample_keys`; only a report and its key decide its masks.

    Raises:
        InputError: the tokenizer has no mask token.
    """
    mask = mask_id(special)
    reserved = sorted({special.sep, special.pad, mask} | ({special.cls} if special.cls is not None else set()))
    ids_BL, length = text.ids_BL, text.ids_BL.shape[1]
    may_BL = (text.words_BL >= 0) & ~torch.isin(ids_BL, torch.tensor(reserved, device=ids_BL.device))
    wanted_B1 = (part * may_BL.sum(dim=1, keepdim=True).double()).round().clamp(min=1).long()
    if unit == "word":
        chosen_BL = _whole_words(text.words_BL, may_BL, wanted_B1, keys_B)
    else:
        order_BL = uniform(subkeys(keys_B, "masked"), length).masked_fill(~may_BL, 2.0)
        chosen_BL = may_BL & (order_BL.argsort(dim=1, stable=True).argsort(dim=1) < wanted_B1)
    action_BL = uniform(subkeys(keys_B, "mask action"), length)
    other_BL = _ids_but(reserved, vocabulary, uniform(subkeys(keys_B, "mask token"), length, torch.float64))
    hidden_BL = torch.where(action_BL < MASKED + RANDOM, other_BL, ids_BL).masked_fill(action_BL < MASKED, mask)
    return MaskedTexts(torch.where(chosen_BL, hidden_BL, ids_BL), text.mask_BL, ids_BL.masked_fill(~chosen_BL, -1))


def _whole_words(words_BL: Tensor, may_BL: Tensor, wanted_B1: Tensor, keys_B: Tensor) -> Tensor:
    """bool [B, L]: the tokens of words in random order, a word passed over if it has more than are still wanted; the
    first word of all if none has few enough."""
    word_BL, count = words_BL.clamp(min=0), int(words_BL.max()) + 1
    if count == 0:
        return may_BL
    size_BW = torch.zeros(len(words_BL), count, dtype=torch.int64, device=words_BL.device)
    size_BW = size_BW.scatter_add(1, word_BL, may_BL.long())
    draw_BW = uniform(subkeys(keys_B, "masked word"), count).masked_fill(size_BW == 0, 2.0)
    order_BW = draw_BW.argsort(dim=1, stable=True)
    in_order_BW = size_BW.gather(1, order_BW)
    taken_BW, left_B = torch.zeros_like(in_order_BW, dtype=torch.bool), wanted_B1.squeeze(1).clone()
    for place in range(count):
        taken_BW[:, place] = (in_order_BW[:, place] > 0) & (in_order_BW[:, place] <= left_B)
        left_B = left_B - in_order_BW[:, place] * taken_BW[:, place]
        if not left_B.any():
            break
    taken_BW[:, 0] |= ~taken_BW.any(dim=1)
    chosen_BW = torch.zeros_like(taken_BW).scatter(1, order_BW, taken_BW)
    return may_BL & chosen_BW.gather(1, word_BL)


def kept_patches(keys_B: Tensor, patches: int, part: float) -> Tensor:
    """int64 [B, V], ascending: the patches that are shown of an image of which `part` is hidden (He et al. 2022).

    Each choice of V is equally likely, and at least one patch is shown and one is hidden.

    Args:
        keys_B: int64, see `radsweep.augment.random.sample_keys`; only an image's key decides.
        patches: of the image, two at least.
    """
    shown = min(max(int(patches * (1 - part)), 1), patches - 1)
    order_BR = uniform(subkeys(keys_B, "kept patches"), patches).argsort(dim=1, stable=True)
    return order_BR[:, :shown].sort(dim=1).values


def _ids_but(reserved: list[int], vocabulary: int, draws_BL: Tensor) -> Tensor:
    """Ids, each equally likely, none of `reserved` (ascending), from draws in [0, 1)."""
    ids_BL = (draws_BL * (vocabulary - sum(number < vocabulary for number in reserved))).long()
    for number in reserved:
        ids_BL = ids_BL + (ids_BL >= number)
    return ids_BL
