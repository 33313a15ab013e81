"""Reports as words: which of them may be moved where, and which have synonyms.

A stretch is a run of free words of one sentence, with nothing between them that stays: no negation, no side, degree or
number, no name of a finding, no conjunction, no punctuation. Words only move within their stretch, so none leaves or
enters the scope of a negation, and no finding gets the side or degree of another.
"""

from __future__ import annotations

from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radsweep.augment.lexicon import FREE, HELD, PROTECTED, Lexicon
from radsweep.data.text.tokenizer import TokenisedReports

_HEADER_WORDS = 6  # most words of a header that a colon ends

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class ReportWords(NamedTuple):
    """W words of B reports, in order."""

    number_W: Integers  # in the lexicon
    report_W: Integers
    sentence_W: Integers  # number of the word's sentence, as its report has it
    stretch_W: Integers  # number of a free word's stretch, from 0, over the batch; of the others: HELD, PROTECTED

    def column_W(self) -> Integers:
        """The place of each word in its report."""
        return np.arange(len(self.report_W)) - np.searchsorted(self.report_W, self.report_W)


class WordUnit(NamedTuple):
    """A word or phrase that has synonyms."""

    first: int  # its first word, in the batch
    length: int  # words
    report: int
    column: int  # place of its first word in the report
    stretch: int  # HELD where one of its words is held
    alternatives: tuple[tuple[int, ...], ...]  # numbers of words


def changes(*columns: NDArray[np.integer]) -> Flags:
    """True at the first row, and at each that differs from the row before in any column."""
    result = np.ones(len(columns[0]), dtype=bool)
    result[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return result


def read_words(reports: TokenisedReports, lexicon: Lexicon) -> ReportWords:
    report_T = np.repeat(np.arange(len(reports.offsets) - 1), np.diff(reports.offsets))
    starts_W = np.flatnonzero(changes(report_T, reports.sentences_T, reports.words_T))
    tokens = reports.tokens_T.tolist()
    bounds = pairwise([*starts_W.tolist(), len(tokens)])
    number_W = np.array(lexicon.numbers([tuple(tokens[first:end]) for first, end in bounds]), dtype=np.int64)
    report_W, sentence_W = report_T[starts_W], reports.sentences_T[starts_W].astype(np.int64)
    begins_W = changes(report_W, sentence_W)
    kind_W = _kinds(number_W, report_W, begins_W, lexicon)
    free_W = kind_W == FREE
    after_free_W = np.concatenate(([False], free_W[:-1])) & ~begins_W
    stretch_W = np.where(free_W, np.cumsum(free_W & ~after_free_W) - 1, kind_W)
    return ReportWords(number_W, report_W, sentence_W, stretch_W)


def words_said(words: ReportWords, lexicon: Lexicon, reports: int) -> Integers:
    """int64 [B]: the words of each report, punctuation not counted."""
    return np.bincount(words.report_W[lexicon.traits(words.number_W).says_W == 1], minlength=reports)


def write_words(words: ReportWords, lexicon: Lexicon, reports: int) -> TokenisedReports:
    """The tokens of `reports` reports, with the words of each numbered again."""
    lengths_W = lexicon.traits(words.number_W).length_W
    tokens = chain.from_iterable([lexicon.tokens[number] for number in words.number_W.tolist()])
    lengths_B = np.zeros(reports, dtype=np.int64)
    np.add.at(lengths_B, words.report_W, lengths_W)
    return TokenisedReports(
        np.fromiter(tokens, dtype=np.int32),
        np.repeat(words.sentence_W, lengths_W).astype(np.int32),
        np.repeat(words.column_W(), lengths_W).astype(np.int32),
        np.concatenate(([0], np.cumsum(lengths_B))),
    )


def find_units(words: ReportWords, lexicon: Lexicon) -> list[WordUnit]:
    """The words and phrases that have synonyms, from left to right, the longest first, none within another."""
    may_begin_W = (lexicon.traits(words.number_W).synonym_W == 1) & (words.stretch_W != PROTECTED)
    numbers = words.number_W.tolist()
    texts = [lexicon.texts[number] for number in numbers]
    ends = _sentence_ends(changes(words.report_W, words.sentence_W)).tolist()
    stretches, reports, columns = (column.tolist() for column in (words.stretch_W, words.report_W, words.column_W()))
    findings = _findings(words.number_W, changes(words.report_W, words.sentence_W), lexicon)
    named: dict[int, list[tuple[int, ...]]] = {}  # the findings that a word belongs to
    for places in findings:
        for place in places:
            named.setdefault(place, []).append(places)
    units: list[WordUnit] = []
    after = 0  # the end of the last phrase found
    for first in np.flatnonzero(may_begin_W).tolist():
        if first < after:
            continue
        for length in lexicon.synonym_lengths[texts[first]]:
            end, phrase = first + length, tuple(texts[first : first + length])
            if phrase not in lexicon.synonyms or end > ends[first]:
                continue
            stretch = min(stretches[first:end])
            whole = all(
                first <= places[0] and places[-1] < end
                for place in range(first, end)
                for places in named.get(place, ())
            )
            if stretch != PROTECTED and not whole:
                continue  # a part of a finding's name has no synonyms
            if stretch != PROTECTED:
                after = end  # also if it has no alternatives: its parts mean something else by themselves
                if alternatives := lexicon.alternatives(phrase, tuple(numbers[first:end])):
                    units.append(WordUnit(first, length, reports[first], columns[first], stretch, alternatives))
                break
    return units


def _kinds(number_W: Integers, report_W: Integers, begins_W: Flags, lexicon: Lexicon) -> Integers:
    """FREE, HELD or PROTECTED, from each word itself and the words around it."""
    traits = lexicon.traits(number_W)
    kind_W = traits.kind_W.copy()
    joins_W, together_W = traits.joins_W == 1, report_W[1:] == report_W[:-1]
    kind_W[1:][joins_W[:-1] & together_W] = PROTECTED
    kind_W[:-1][joins_W[1:] & together_W] = PROTECTED
    starts_W = np.maximum.accumulate(np.where(begins_W, np.arange(len(begins_W)), 0))
    for colon in np.flatnonzero(traits.colon_W).tolist():
        if colon - starts_W[colon] <= _HEADER_WORDS:
            kind_W[starts_W[colon] : colon] = PROTECTED
    ends_W = _sentence_ends(begins_W)
    for first in np.flatnonzero(traits.phrase_W).tolist():
        texts = [lexicon.texts[number] for number in number_W[first : ends_W[first]].tolist()]
        for length in lexicon.phrase_lengths[texts[0]]:
            phrase, part_W = tuple(texts[:length]), kind_W[first : first + length]
            if phrase in lexicon.words.protected:
                part_W[:] = PROTECTED
            elif phrase in lexicon.words.held:
                np.minimum(part_W, HELD, out=part_W)
    for places in _findings(number_W, begins_W, lexicon):
        kind_W[list(places)] = np.minimum(kind_W[list(places)], HELD)
    return kind_W


def _findings(number_W: Integers, begins_W: Flags, lexicon: Lexicon) -> list[tuple[int, ...]]:
    """The words of each finding that is named, by their places in the batch."""
    begins = np.flatnonzero(begins_W)
    named_W = lexicon.traits(number_W).finding_W == 1
    sentences = np.unique(np.searchsorted(begins, np.flatnonzero(named_W), side="right") - 1)
    ends = np.append(begins[1:], len(number_W))
    result: list[tuple[int, ...]] = []
    for first, end in zip(begins[sentences].tolist(), ends[sentences].tolist(), strict=True):
        found = lexicon.findings(tuple(number_W[first:end].tolist()))
        result += [tuple(first + place for place in places) for places in found]
    return result


def _sentence_ends(begins_W: Flags) -> Integers:
    """For each word, the first word after its sentence."""
    starts = np.flatnonzero(begins_W)
    lengths = np.diff(np.append(starts, len(begins_W)))
    return np.repeat(starts + lengths, lengths)
