"""EDA on tokenised reports: synonyms, swap, delete, insert (Wei and Zou 2019), none of which touches protected words.

Each operation that is on changes a word at least if it can, as published. Of a report's words, numbers count and
punctuation does not.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radsweep.augment.lexicon import Lexicon
from radsweep.augment.random import subkeys, uniform
from radsweep.augment.report_words import (
    Flags,
    Integers,
    ReportWords,
    WordUnit,
    changes,
    find_units,
    read_words,
    words_said,
    write_words,
)
from radsweep.config.augmentation import TextAugmentation
from radsweep.data.text.tokenizer import TokenisedReports

Reals = NDArray[np.float64]
Drawn = tuple[WordUnit, tuple[int, ...], float]


def augment_words(
    reports: TokenisedReports, settings: TextAugmentation, lexicon: Lexicon, keys_B: Tensor
) -> TokenisedReports:
    """The reports with words replaced, swapped, left out and inserted, in this order.

    Args:
        keys_B: int64, on the CPU; only a report's key decides its augmentation.
    """
    if len(reports.tokens_T) == 0:
        return reports
    words = read_words(reports, lexicon)
    units = find_units(words, lexicon) if settings.synonyms > 0 or settings.insert > 0 else []
    said_B = words_said(words, lexicon, len(keys_B))

    def at_least_one(part: float) -> Integers:
        return np.maximum(1, np.floor(part * said_B + 1e-9)).astype(np.int64)

    if settings.synonyms > 0:
        words = replaced(words, units, at_least_one(settings.synonyms), keys_B)
    if settings.swap > 0:
        words = swapped(words, np.maximum(1, at_least_one(settings.swap) // 2), keys_B)
    if settings.delete > 0:
        words = thinned(words, settings.delete, keys_B)
    if settings.insert > 0:
        movable = [unit for unit in units if unit.stretch >= 0]
        words = enriched(words, movable, at_least_one(settings.insert), keys_B)
    return write_words(words, lexicon, len(keys_B))._replace(impression_N=reports.impression_N)


def replaced(words: ReportWords, units: list[WordUnit], count_B: Integers, keys_B: Tensor) -> ReportWords:
    """`count_B` units of each report, each by one of its alternatives."""
    chosen = _drawn(units, count_B, keys_B, "synonyms")
    kept_W = np.ones(len(words.number_W), dtype=bool)
    for unit, _, _ in chosen:
        kept_W[unit.first : unit.first + unit.length] = False
    # New words are held where one that they replace was.
    like = [unit.first + int(words.stretch_W[unit.first : unit.first + unit.length].argmin()) for unit, _, _ in chosen]
    new = [alternative for _, alternative, _ in chosen]
    return _spliced(words, kept_W, new, [unit.first for unit, _, _ in chosen], like)


def swapped(words: ReportWords, pairs_B: Integers, keys_B: Tensor) -> ReportWords:
    """`pairs_B` pairs of different words change places, each within a stretch, no word twice."""
    free_F = np.flatnonzero(words.stretch_W >= 0)
    stretch_F, number_F, report_F = words.stretch_W[free_F], words.number_W[free_F], words.report_W[free_F]
    draw_F, turn_F = _draws(keys_B, "swap", words.report_W, words.column_W(), 2)[:, free_F]
    copy_F = _ranks(draw_F, stretch_F, number_F)  # so that the first pairs of a stretch are of different words
    order_F = np.lexsort((draw_F, copy_F, stretch_F))
    sorted_F = stretch_F[order_F]
    starts_F = np.maximum.accumulate(np.where(changes(sorted_F), np.arange(len(sorted_F)), 0))
    first_of_two_F = (np.arange(len(sorted_F)) - starts_F) % 2 == 0
    pairs_P = np.flatnonzero(first_of_two_F[:-1] & (sorted_F[1:] == sorted_F[:-1]))
    one_P, other_P = order_F[pairs_P], order_F[pairs_P + 1]
    differ_P = number_F[one_P] != number_F[other_P]
    one_P, other_P = one_P[differ_P], other_P[differ_P]
    now_P = _ranks(turn_F[one_P], report_F[one_P]) < pairs_B[report_F[one_P]]
    one_P, other_P = free_F[one_P[now_P]], free_F[other_P[now_P]]
    number_W = words.number_W.copy()
    number_W[one_P], number_W[other_P] = words.number_W[other_P], words.number_W[one_P]
    return words._replace(number_W=number_W)


def thinned(words: ReportWords, part: float, keys_B: Tensor) -> ReportWords:
    """Each word left out with probability `part`, one at least; each stretch keeps a word.

    So a negation or a side never comes to stand before something else than it spoke of.
    """
    free_F = np.flatnonzero(words.stretch_W >= 0)
    draw_F = _draws(keys_B, "delete", words.report_W, words.column_W(), 1)[0, free_F]
    open_F = _ranks(-draw_F, words.stretch_W[free_F]) > 0
    free_F, draw_F = free_F[open_F], draw_F[open_F]
    first_F = _ranks(draw_F, words.report_W[free_F]) == 0
    kept_W = np.ones(len(words.number_W), dtype=bool)
    kept_W[free_F[(draw_F < part) | first_F]] = False
    return ReportWords(*(column[kept_W] for column in words))


def enriched(words: ReportWords, units: list[WordUnit], count_B: Integers, keys_B: Tensor) -> ReportWords:
    """Alternatives of `count_B` units of each report, each somewhere within its unit's stretch."""
    stretches, first_S, length_S = np.unique(words.stretch_W, return_index=True, return_counts=True)
    first_of, length_of = (
        dict(zip(stretches.tolist(), column.tolist(), strict=True)) for column in (first_S, length_S)
    )
    chosen = _drawn(units, count_B, keys_B, "insert")
    like = [first_of[unit.stretch] for unit, _, _ in chosen]
    places = [first_of[unit.stretch] + int(where * (length_of[unit.stretch] + 1)) for unit, _, where in chosen]
    kept_W = np.ones(len(words.number_W), dtype=bool)
    return _spliced(words, kept_W, [alternative for _, alternative, _ in chosen], places, like)


def _drawn(units: list[WordUnit], count_B: Integers, keys_B: Tensor, purpose: str) -> list[Drawn]:
    """At most `count_B` units of each report, with one of the alternatives of each, and a further draw."""
    report_U, column_U = np.array([(unit.report, unit.column) for unit in units], dtype=np.int64).reshape(-1, 2).T
    turn_U, which_U, more_U = _draws(keys_B, purpose, report_U, column_U, 3)
    chosen = np.flatnonzero(_ranks(turn_U, report_U) < count_B[report_U])
    return [
        (units[number], units[number].alternatives[int(which * len(units[number].alternatives))], more)
        for number, which, more in zip(chosen.tolist(), which_U[chosen].tolist(), more_U[chosen].tolist(), strict=True)
    ]


def _spliced(
    words: ReportWords, kept_W: Flags, new: list[tuple[int, ...]], places: list[int], like: list[int]
) -> ReportWords:
    """The words kept, and new ones before the words at `places`, each in the stretch of the word `like`."""
    lengths = np.array([len(numbers) for numbers in new], dtype=np.int64)
    places_K, like_K = (np.repeat(np.array(values, dtype=np.int64), lengths) for values in (places, like))
    numbers_K = np.array(list(chain.from_iterable(new)), dtype=np.int64)
    kept_W = np.insert(kept_W, places_K, True)
    number_W = np.insert(words.number_W, places_K, numbers_K)[kept_W]
    return ReportWords(number_W, *(np.insert(column, places_K, column[like_K])[kept_W] for column in words[1:]))


def _draws(keys_B: Tensor, purpose: str, report_K: Integers, column_K: Integers, each: int) -> Reals:
    """float64 [each, K] in [0, 1), of the word in this column of the report: none depends on how many there are."""
    width = int(column_K.max(initial=-1)) + 1
    draws_BN = uniform(subkeys(keys_B, purpose), width * each, torch.float64).numpy()
    result: Reals = draws_BN.reshape(len(keys_B), width, each)[report_K, column_K].T
    return result


def _ranks(value_K: Reals, *groups: Integers) -> Integers:
    """int64 [K]: how many of its group stand before each, in ascending order of value."""
    order_K = np.lexsort((value_K, *groups))
    begins_K = changes(*(group[order_K] for group in groups))
    places_K = np.arange(len(order_K))
    ranks_K = np.empty(len(order_K), dtype=np.int64)
    ranks_K[order_K] = places_K - np.maximum.accumulate(np.where(begins_K, places_K, 0))
    return ranks_K
