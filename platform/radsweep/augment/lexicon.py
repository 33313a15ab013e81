"""Words of one tokenizer's reports, as text augmentation sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radsweep.augment.words import Phrase, WordList, phrase_of, plain
from radsweep.data.text.tokenizer import ReportTokenizer
from radsweep.errors import InputError

FREE, HELD, PROTECTED = 0, -1, -2  # held: keeps its place, and may be replaced by a synonym

_JOINERS = frozenset("-/'’‐‑")  # what they join is one word to a reader
_LETTERS_A_PIECE = 1.5  # a word in shorter pieces on average is one that the tokenizer does not know


class Traits(NamedTuple):
    """Traits of W words, each by itself, without the words around it."""

    kind_W: NDArray[np.int64]  # FREE, HELD or PROTECTED
    length_W: NDArray[np.int64]  # tokens
    says_W: NDArray[np.int64]  # 1: holds a letter or digit
    joins_W: NDArray[np.int64]  # 1: a hyphen, slash or apostrophe
    colon_W: NDArray[np.int64]
    phrase_W: NDArray[np.int64]  # 1: a protected or held phrase of several words may begin here
    finding_W: NDArray[np.int64]  # 1: the name of a finding may begin here
    synonym_W: NDArray[np.int64]  # 1: a word or phrase with synonyms may begin here


class Lexicon:
    """Numbers for the words met so far, each looked at once; and their synonyms as numbers of words.

    Raises:
        InputError: the tokenizer does not separate words.
    """

    def __init__(self, tokenizer: ReportTokenizer, words: WordList) -> None:
        self.words = words
        self.tokens: list[tuple[int, ...]] = []  # of each number
        self.texts: list[str] = []  # of each number, as `plain` leaves it
        self._tokenizer = tokenizer
        self._written: list[str] = []
        self._traits: list[tuple[int, ...]] = []
        self._table = np.zeros((0, len(Traits._fields)), dtype=np.int64)
        self._numbers: dict[tuple[int, ...], int] = {}
        self._groups = {phrase_of(text): group for group in words.synonyms for text in group}
        self._listed = {phrase_of(text): text for group in words.synonyms for text in group}
        self._alternatives: dict[tuple[int, ...], tuple[tuple[int, ...], ...]] = {}
        self._findings: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        self.synonyms = frozenset(self._groups)
        self.synonym_lengths = _lengths(self.synonyms)  # by first word, the longest first
        self.phrase_lengths = _lengths(phrase for phrase in words.protected | words.held if len(phrase) > 1)
        probe = self._within_a_sentence("heart")
        if len(probe) != 1:
            raise InputError(
                "this tokenizer does not separate words, which synonyms, swap, delete and insert need; set them to "
                "0 or choose another model.text.backbone",
                key="augment.text",
            )
        self._spaces = self._decoded(probe[0])[:1].isspace()  # whether a word's tokens hold the space before it

    def numbers(self, words: Sequence[tuple[int, ...]]) -> list[int]:
        """The number of each word, given by its tokens."""
        found = list(map(self._numbers.get, words))
        return [self._number(word) if number is None else number for word, number in zip(words, found, strict=True)]

    def traits(self, number_W: NDArray[np.int64]) -> Traits:
        if len(self._table) < len(self._traits):
            self._table = np.array(self._traits, dtype=np.int64)
        return Traits(*self._table[number_W].T)

    def alternatives(self, phrase: Phrase, numbers: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """The other members of a phrase's group, each as numbers of words, in the case in which `numbers` write it
        if the tokenizer knows that.

        A member is left out where the tokenizer does not know one of its words (unknown, or spelled in letters).
        """
        if numbers not in self._alternatives:
            case = _case(" ".join([self._written[number] for number in numbers]), self._listed[phrase])
            others = [text for text in self._groups[phrase] if phrase_of(text) != phrase]
            known = [words for text in others if (words := self._known(_in_case(text, case)) or self._known(text))]
            self._alternatives[numbers] = tuple(tuple(self.numbers(words)) for words in known)
        return self._alternatives[numbers]

    def findings(self, sentence: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The places of the words of each finding that a sentence, given by the numbers of its words, names."""
        if sentence not in self._findings:
            named = self.words.findings.find([self.texts[number] for number in sentence])
            self._findings[sentence] = [each.places for each in named]
        return self._findings[sentence]

    def has_synonyms(self) -> bool:
        """True if any group has two members that the tokenizer knows."""
        return any(sum(self._known(text) is not None for text in group) > 1 for group in self.words.synonyms)

    def _number(self, tokens: tuple[int, ...]) -> int:
        if tokens not in self._numbers:
            self._add(tokens)
        return self._numbers[tokens]

    def _add(self, tokens: tuple[int, ...]) -> None:
        decoded = self._decoded(tokens)
        written = decoded.strip()
        text = plain(written)
        # A word whose tokens lack the space that others hold (the first of a report, one after a bracket) would run
        # into the word before it anywhere else.
        spaced = not self._spaces or decoded[:1].isspace()
        if not spaced or not text.isalpha() or len(text) == 1 or set(text) == {"x"} or (text,) in self.words.protected:
            kind = PROTECTED
        else:
            kind = HELD if (text,) in self.words.held else FREE
        says = any(character.isalnum() for character in text)
        joins = text[:1] in _JOINERS or text[-1:] in _JOINERS if text else False
        colon = ":" in text and not says
        findings = bool(self.words.findings.may_begin(text))
        known = (text in self.phrase_lengths, findings, text in self.synonym_lengths)
        self._traits.append((kind, len(tokens), int(says), int(joins), int(colon), *map(int, known)))
        self.tokens.append(tokens)
        self.texts.append(text)
        self._written.append(written)
        self._numbers[tokens] = len(self.tokens) - 1

    def _decoded(self, tokens: tuple[int, ...]) -> str:
        text: str = self._tokenizer.backend.decode(list(tokens), skip_special_tokens=False)
        return text.removesuffix("</w>")  # how CLIP's pieces end a word

    def _within_a_sentence(self, text: str) -> list[tuple[int, ...]]:
        """The tokens of each word of `text` where it follows another word."""
        reports = self._tokenizer.tokenise([f"a {text}"])
        words: defaultdict[int, list[int]] = defaultdict(list)
        for token, word in zip(reports.tokens_T.tolist(), reports.words_T.tolist(), strict=True):
            words[word].append(token)
        return [tuple(tokens) for tokens in words.values()][1:]

    def _known(self, text: str) -> list[tuple[int, ...]] | None:
        """The tokens of each word of a synonym; None where the tokenizer does not know one."""
        words = self._within_a_sentence(text)
        if tuple(plain(self._decoded(tokens).strip()) for tokens in words) != phrase_of(text):
            return None
        pieces = [(len(word), len(tokens)) for word, tokens in zip(phrase_of(text), words, strict=True)]
        return words if all(letters >= _LETTERS_A_PIECE * count for letters, count in pieces) else None


def _lengths(phrases: Iterable[Phrase]) -> dict[str, list[int]]:
    """Lengths, in words, of the phrases that begin with a word, by that word, the longest first."""
    result: defaultdict[str, set[int]] = defaultdict(set)
    for phrase in phrases:
        result[phrase[0]].add(len(phrase))
    return {word: sorted(lengths, reverse=True) for word, lengths in result.items()}


def _case(written: str, listed: str) -> str:
    if written == listed or not written[:1].isupper():
        return "listed"
    return "upper" if len(written) > 1 and written.isupper() else "capital"


def _in_case(text: str, case: str) -> str:
    if case == "upper":
        return text.upper()
    return text[:1].upper() + text[1:] if case == "capital" else text
