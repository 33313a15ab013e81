"""Text augmentation of tokenised reports, and the padded batch a text tower reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from radsweep.augment.random import uniform
from radsweep.data.tokenizer import SpecialIds, TokenisedReports
from radsweep.spec.trial import TextAugmentation


class TextBatch(NamedTuple):
    """B reports of at most L tokens, special tokens included."""

    ids_BL: Tensor  # int64
    mask_BL: Tensor  # bool, False on padding
    words_BL: Tensor  # int64, number of the token's word within its report, from 0; -1 on special tokens and padding


def augment_texts(reports: TokenisedReports, settings: TextAugmentation, keys_B: Tensor) -> TokenisedReports:
    """The reports with sentences left out or in another order; words within a sentence stay as they are.

    Args:
        reports: B of them.
        keys_B: int64, see `radsweep.augment.random.sample_keys`; a report's key alone decides its augmentation.
    """
    if settings.sentences == "all" or len(reports.tokens_T) == 0:
        return reports
    lengths = np.diff(reports.offsets)
    report_T = np.repeat(np.arange(len(lengths)), lengths)
    counts_B = np.zeros(len(lengths), dtype=np.int64)
    counts_B[lengths > 0] = reports.sentences_T[reports.offsets[1:][lengths > 0] - 1] + 1
    draws_BS = uniform(keys_B.cpu(), int(counts_B.max())).numpy()
    draws_BS = np.where(np.arange(draws_BS.shape[1]) < counts_B[:, None], draws_BS, 2.0)  # 2: no such sentence
    if settings.sentences == "shuffle":
        ranks_BS = draws_BS.argsort(axis=1, kind="stable").argsort(axis=1)
        index = np.lexsort((ranks_BS[report_T, reports.sentences_T], report_T))
    else:
        kept_BS = np.arange(draws_BS.shape[1]) == draws_BS.argmin(axis=1)[:, None]
        if settings.sentences == "sample":
            kept_BS |= draws_BS < settings.keep
        index = np.flatnonzero(kept_BS[report_T, reports.sentences_T])
        lengths = np.bincount(report_T[index], minlength=len(lengths))
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return TokenisedReports(reports.tokens_T[index], reports.sentences_T[index], reports.words_T[index], offsets)


def text_batch(reports: TokenisedReports, special: SpecialIds, max_tokens: int) -> TextBatch:
    """The reports between start and end token, cut to `max_tokens` in all and padded to the longest of the batch."""
    offsets = reports.offsets
    rows = len(offsets) - 1
    lengths = np.minimum(np.diff(offsets), max_tokens - 2)
    width = int(lengths.max(initial=0)) + 2
    column_L = np.arange(width)
    inside_BL = (column_L >= 1) & (column_L <= lengths[:, None])
    position_BL = (offsets[:-1, None] + column_L - 1)[inside_BL]
    ids_BL = np.full((rows, width), special.pad, dtype=np.int64)
    ids_BL[:, 0] = special.cls
    ids_BL[np.arange(rows), lengths + 1] = special.sep
    ids_BL[inside_BL] = reports.tokens_T[position_BL]
    words_BL = np.full((rows, width), -1, dtype=np.int64)
    words_BL[inside_BL] = _word_numbers(reports)[position_BL]
    mask_BL = column_L <= lengths[:, None] + 1
    return TextBatch(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL), torch.from_numpy(words_BL))


def _word_numbers(reports: TokenisedReports) -> np.ndarray:
    """int64 [T]: the words of each report counted anew, in the order in which they now stand."""
    begins_T = np.ones(len(reports.words_T), dtype=np.int64)
    begins_T[1:] = reports.words_T[1:] != reports.words_T[:-1]
    begins_T[reports.offsets[:-1][np.diff(reports.offsets) > 0]] = 1
    numbers_T = np.cumsum(begins_T)
    before = np.concatenate(([0], numbers_T))[reports.offsets[:-1]]
    return numbers_T - 1 - np.repeat(before, np.diff(reports.offsets))
