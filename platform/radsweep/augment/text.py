"""Text augmentation of tokenised reports, and the padded batch a text tower reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from radsweep.augment.lexicon import Lexicon
from radsweep.augment.random import uniform
from radsweep.augment.word_operations import augment_words
from radsweep.augment.words import load_words
from radsweep.config.augmentation import TextAugmentation
from radsweep.config.model import Truncation
from radsweep.data.text.tokenizer import ReportTokenizer, SpecialIds, TokenisedReports
from radsweep.data.text.truncation import room, truncated
from radsweep.errors import InputError


class TextBatch(NamedTuple):
    """B reports of at most L tokens, special tokens included."""

    ids_BL: Tensor  # int64
    mask_BL: Tensor  # bool, False on padding
    words_BL: Tensor  # int64, number of the token's word within its report, from 0; -1 on special tokens and padding


class TextAugmenter:
    """Augments reports as `settings` say: first their sentences, then the words of the sentences that are left.

    The word list is read, and the tokenizer's words are learnt, only where a word operation is on.

    Raises:
        InputError: the word list cannot be read, or has nothing that this tokenizer can write.
    """

    def __init__(self, settings: TextAugmentation, tokenizer: ReportTokenizer) -> None:
        self._settings = settings
        self._lexicon: Lexicon | None = None
        if settings.changes_words:
            self._lexicon = Lexicon(tokenizer, load_words(settings.words))
            if max(settings.synonyms, settings.insert) > 0 and not self._lexicon.has_synonyms():
                raise InputError(
                    f"{settings.words} has no synonyms that the tokenizer of model.text.backbone can write; set "
                    "augment.text.synonyms and augment.text.insert to 0, or give a list of its language",
                    key="augment.text.words",
                )

    def __call__(self, reports: TokenisedReports, keys_B: Tensor) -> TokenisedReports:
        """B reports and keys (int64); only a report's key decides its augmentation."""
        reports = augment_texts(reports, self._settings, keys_B)
        return augment_words(reports, self._settings, self._lexicon, keys_B.cpu()) if self._lexicon else reports


def augment_texts(reports: TokenisedReports, settings: TextAugmentation, keys_B: Tensor) -> TokenisedReports:
    """The reports with sentences left out or in another order; words within a sentence stay as they are.

    Args:
        reports: B of them.
        keys_B: int64, see `radsweep.augment.random.sample_keys`; only a report's key decides its augmentation.
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
    return TokenisedReports(
        reports.tokens_T[index], reports.sentences_T[index], reports.words_T[index], offsets, reports.impression_N
    )


def text_batch(
    reports: TokenisedReports, special: SpecialIds, max_tokens: int, truncation: Truncation = "head"
) -> TextBatch:
    """The reports between start token (if any) and end token, cut to `max_tokens` in all and padded to the
    longest of the batch."""
    reports = truncated(reports, room(special, max_tokens), truncation)
    offsets = reports.offsets
    rows = len(offsets) - 1
    start = 0 if special.cls is None else 1  # tokens before the report's own
    lengths = np.diff(offsets)
    width = int(lengths.max(initial=0)) + 1 + start
    column_L = np.arange(width)
    inside_BL = (column_L >= start) & (column_L < lengths[:, None] + start)
    position_BL = (offsets[:-1, None] + column_L - start)[inside_BL]
    ids_BL = np.full((rows, width), special.pad, dtype=np.int64)
    ids_BL[:, :start] = special.cls or 0
    ids_BL[np.arange(rows), lengths + start] = special.sep
    ids_BL[inside_BL] = reports.tokens_T[position_BL]
    words_BL = np.full((rows, width), -1, dtype=np.int64)
    words_BL[inside_BL] = _word_numbers(reports)[position_BL]
    mask_BL = column_L <= lengths[:, None] + start
    return TextBatch(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL), torch.from_numpy(words_BL))


def _word_numbers(reports: TokenisedReports) -> np.ndarray:
    """int64 [T]: the words of each report counted again, in their present order."""
    begins_T = np.ones(len(reports.words_T), dtype=np.int64)
    begins_T[1:] = reports.words_T[1:] != reports.words_T[:-1]
    begins_T[reports.offsets[:-1][np.diff(reports.offsets) > 0]] = 1
    numbers_T = np.cumsum(begins_T)
    before = np.concatenate(([0], numbers_T))[reports.offsets[:-1]]
    return numbers_T - 1 - np.repeat(before, np.diff(reports.offsets))
