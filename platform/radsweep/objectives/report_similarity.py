"""Similarity of reports that no negation, side, degree or number divides.

"Small right effusion" and "small left effusion" share most of their words, and so do "no effusion, consolidation" and
"effusion, no consolidation". Therefore reports are compared sentence by sentence, and two sentences are only alike if
they have the same fixed words in the same order, and no word that both have is on the other side of one. Fixed are the
words that text augmentation never moves: those that `augment.text.words` protects or holds, numbers and punctuation.
Shapes: B reports, W words, S sentences of the batch, U different ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radsweep.augment.lexicon import Lexicon
from radsweep.augment.report_words import changes, read_words
from radsweep.augment.words import load_words
from radsweep.data.text.tokenizer import ReportTokenizer, TokenisedReports, unknown_token
from radsweep.errors import InputError

Floats = NDArray[np.float64]
Sentence = tuple[int, ...]  # of each word twice its number in the lexicon, and 1 more if it is fixed


class _Sentences(NamedTuple):
    alike_UU: Floats  # the part of their words that two sentences share; 0 if their fixed words divide them
    number_S: NDArray[np.int64]  # of the different sentences
    report_S: NDArray[np.int64]


class _Parts(NamedTuple):
    fixed: tuple[str, ...]  # in order
    free: frozenset[tuple[str, frozenset[int]]]  # a word, and how many fixed words are before it, each time it occurs


class ReportSimilarity:
    """Compares the reports of a batch.

    Args:
        words: as `augment.text.words`.

    Raises:
        InputError: the word list cannot be read, or the tokenizer does not separate words.
    """

    def __init__(self, tokenizer: ReportTokenizer, words: str) -> None:
        loaded = load_words(words)
        try:
            self._lexicon = Lexicon(tokenizer, loaded)
        except InputError:
            raise InputError(
                "this tokenizer does not separate words, which similar reports need. Choose another "
                "model.text.backbone, or set positives.same_report to 1 and contrast.targets.kind to hard or labels",
                key="objective",
            ) from None
        self._unknown = unknown_token(tokenizer.backend)
        self._parts: dict[Sentence, _Parts | None] = {}  # None: a word that the tokenizer does not know

    def least(self, reports: TokenisedReports) -> Floats:
        """The least similarity of two reports' sentences in order, [B, B] from 0 to 1; each report is like itself.

        It is 0 if the reports differ in their number of sentences.
        """
        alike_UU, number_S, report_S = self._compared(reports)
        counts_B = np.bincount(report_S, minlength=len(reports.offsets) - 1)
        first_B = np.concatenate(([0], np.cumsum(counts_B)))[:-1]
        least_BB = ((counts_B[:, None] == counts_B) & (counts_B > 0)).astype(np.float64)
        for place in range(counts_B.max(initial=0)):
            has_H = np.flatnonzero(counts_B > place)
            both, number_H = np.ix_(has_H, has_H), number_S[first_B[has_H] + place]
            least_BB[both] = np.minimum(least_BB[both], alike_UU[np.ix_(number_H, number_H)])
        return _with_itself(least_BB)

    def mean(self, reports: TokenisedReports) -> Floats:
        """The mean over the sentences of two reports, each with the sentence of the other that is most like it."""
        alike_UU, number_S, report_S = self._compared(reports)
        rows = len(reports.offsets) - 1
        best_UB = np.zeros((len(alike_UU), rows))
        said, first = np.unique(report_S, return_index=True)
        if len(said):
            best_UB[:, said] = np.maximum.reduceat(alike_UU[:, number_S], first, axis=1)
        sum_BB = np.zeros((rows, rows))
        np.add.at(sum_BB, report_S, best_UB[number_S])
        counts_B = np.bincount(report_S, minlength=rows)
        return _with_itself((sum_BB + sum_BB.T) / np.maximum(counts_B[:, None] + counts_B, 1))

    def _compared(self, reports: TokenisedReports) -> _Sentences:
        sentences, report_S = self._sentences(reports)
        different = {sentence: number for number, sentence in enumerate(dict.fromkeys(sentences))}
        number_S = np.array([different[sentence] for sentence in sentences], dtype=np.int64)
        return _Sentences(self._alike(list(different)), number_S, report_S)

    def _sentences(self, reports: TokenisedReports) -> tuple[list[Sentence], NDArray[np.int64]]:
        """The sentences that say something, without the marks at their ends, and the report of each."""
        words = read_words(reports, self._lexicon)
        says = (self._lexicon.traits(words.number_W).says_W == 1).tolist()
        codes = (2 * words.number_W + (words.stretch_W < 0)).tolist()
        starts = np.flatnonzero(changes(words.report_W, words.sentence_W))
        sentences, reports_of = [], []
        bounds = pairwise([*starts.tolist(), len(codes)])
        for (first, end), report in zip(bounds, words.report_W[starts].tolist(), strict=True):
            while end > first and not says[end - 1]:
                end -= 1
            if end > first:
                sentences.append(tuple(codes[first:end]))
                reports_of.append(report)
        return sentences, np.array(reports_of, dtype=np.int64)

    def _alike(self, sentences: list[Sentence]) -> Floats:
        alike_UU = np.zeros((len(sentences), len(sentences)))
        groups: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        parts = [self._read(sentence) for sentence in sentences]
        for number, found in enumerate(parts):
            if found is not None:
                groups[found.fixed].append(number)
        for fixed, members in groups.items():
            if len(members) == 1:
                alike_UU[members[0], members[0]] = 1
                continue
            free = [found.free for number in members if (found := parts[number]) is not None]
            alike_UU[np.ix_(members, members)] = _shared(free, len(fixed))
        return alike_UU

    def _read(self, sentence: Sentence) -> _Parts | None:
        if sentence not in self._parts:
            self._parts[sentence] = self._parts_of(sentence)
        return self._parts[sentence]

    def _parts_of(self, sentence: Sentence) -> _Parts | None:
        if any(self._unknown in self._lexicon.tokens[code // 2] for code in sentence):
            return None
        fixed: list[str] = []
        places: defaultdict[str, set[int]] = defaultdict(set)
        for code in sentence:
            text = self._lexicon.texts[code // 2]
            if code % 2:
                fixed.append(text)
            else:
                places[text].add(len(fixed))
        return _Parts(tuple(fixed), frozenset((text, frozenset(found)) for text, found in places.items()))


def _shared(free: list[frozenset[tuple[str, frozenset[int]]]], fixed: int) -> Floats:
    """The shared part of the words of sentences that have `fixed` fixed words in common, [len(free), len(free)]."""
    in_place = _incidence(free)
    common = in_place @ in_place.T
    words = _incidence([frozenset(text for text, _ in each) for each in free])
    sizes = words.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - common
    moved = words @ words.T > common  # a word of both stands between other fixed words
    part: Floats = np.where(moved, 0.0, (common + fixed) / np.maximum(union + fixed, 1))
    return part


def _incidence(sets: Sequence[frozenset[Hashable]]) -> Floats:
    """1 where a set, by row, has a member, by column."""
    columns = {member: number for number, member in enumerate(dict.fromkeys(m for each in sets for m in each))}
    found = np.zeros((len(sets), len(columns)))
    for row, each in enumerate(sets):
        found[row, [columns[member] for member in each]] = 1
    return found


def _with_itself(similarity_BB: Floats) -> Floats:
    np.fill_diagonal(similarity_BB, 1)
    return similarity_BB
