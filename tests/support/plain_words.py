"""Reference implementation, word by word, of what a word operation may do to a report."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import yaml

import radsweep.augment
from radsweep.data.text.tokenizer import ReportTokenizer, TokenisedReports

ENGLISH = Path(radsweep.augment.__file__).parent / "languages" / "english.yaml"


class Word(NamedTuple):
    tokens: tuple[int, ...]
    sentence: int
    text: str
    spaced: bool  # it can follow another word unchanged

    def __repr__(self) -> str:
        return "Word(...)"  # may be a patient's: keep it out of tracebacks


Words = tuple[Word, ...]  # of a report


class PlainWords:
    """The shipped word list, and the words of one tokenizer."""

    def __init__(self, tokenizer: ReportTokenizer) -> None:
        tree = yaml.load(ENGLISH.read_text(encoding="utf-8"), yaml.BaseLoader)
        self.tokenizer = tokenizer
        self.protected, self.held = (
            {tuple(text.split()) for group in tree[part].values() for text in group} for part in ("protected", "held")
        )
        self.several = defaultdict(list)  # phrases of several words, by the first
        for phrases, mark in ((self.held, "h"), (self.protected, "P")):
            for phrase in phrases:
                if len(phrase) > 1:
                    self.several[phrase[0]].append((phrase, mark))
        self.findings = [re.compile(_finding_pattern(text)) for group in tree["findings"].values() for text in group]
        self.group_of = {tuple(text.lower().split()): group for group in tree["synonyms"] for text in group}
        self.openers = {phrase[0] for phrase in self.group_of}
        self.longest = max(len(phrase) for phrase in self.group_of)
        self._known: dict[str, bool] = {}
        self._decoded: dict[tuple[int, ...], str] = {}
        self._marks: dict[Words, str] = {}
        self.byte_level = (
            "ByteLevel" in str(tokenizer.backend.pre_tokenizer) and "</w>" not in tokenizer.backend.to_str()
        )

    def read(self, reports: TokenisedReports) -> list[Words]:
        """The words of each report."""
        result = []
        for first, end in pairwise(reports.offsets.tolist()):
            columns = (reports.tokens_T, reports.sentences_T, reports.words_T)
            rows = zip(*(column[first:end].tolist() for column in columns), strict=True)
            result.append(tuple(self._word(list(group)) for _, group in groupby(rows, key=lambda row: row[1:])))
        return result

    def _word(self, rows: list[tuple[int, int, int]]) -> Word:
        tokens = tuple(token for token, _, _ in rows)
        if tokens not in self._decoded:
            self._decoded[tokens] = self.tokenizer.backend.decode(list(tokens), skip_special_tokens=False)
        decoded = self._decoded[tokens]
        return Word(
            tokens, rows[0][1], re.sub("</w>|^ ", "", decoded).lower(), not self.byte_level or decoded[0] == " "
        )

    def is_protected(self, word: Word) -> bool:
        """True if no operation may change the word anywhere."""
        return (
            not word.spaced
            or (word.text,) in self.protected
            or not re.fullmatch("[a-z]{2,}", word.text)
            or not word.text.strip("x")
        )

    def marks(self, words: Words) -> str:
        """Mark each word as P protected, h held or f free, also by the words around it."""
        if words not in self._marks:
            self._marks[words] = self._marked(words)
        return self._marks[words]

    def _marked(self, words: Words) -> str:
        marks = ["P" if self.is_protected(word) else "h" if (word.text,) in self.held else "f" for word in words]
        for place, word in enumerate(words):
            if word.text[0] in "-/'" or word.text[-1] in "-/'":
                marks[max(0, place - 1) : place + 2] = ["P"] * len(marks[max(0, place - 1) : place + 2])
            if ":" in word.text:
                header = [other for other in words[:place] if other.sentence == word.sentence]
                if len(header) <= 6:
                    marks[place - len(header) : place] = ["P"] * len(header)
            for phrase, mark in self.several.get(word.text, ()):
                span = words[place : place + len(phrase)]
                if tuple(other.text for other in span) == phrase and _one_sentence(span):
                    for step in range(place, place + len(phrase)):
                        marks[step] = max(mark, marks[step], key="fhP".index)
        for finding in self.named(words):
            for place in finding:
                marks[place] = max("h", marks[place], key="fhP".index)
        return "".join(marks)

    def named(self, words: Words) -> list[set[int]]:
        """The places of the words of each finding; one within another does not count."""
        found: list[set[int]] = []
        for _, sentence in groupby(range(len(words)), key=lambda place: words[place].sentence):
            places = list(sentence)
            text = "".join(f" {words[place].text}" for place in places)
            for pattern in self.findings:
                for match in pattern.finditer(text):
                    spans = [match.start(group) for group in range(1, pattern.groups + 1)]
                    found.append({places[text[: start + 1].count(" ") - 1] for start in spans})
        return [one for one in found if not any(one < other for other in found)]

    def stretches(self, words: Words) -> list[list[Word]]:
        """Runs of free words within a sentence."""
        marked = zip(words, self.marks(words), strict=True)
        runs = groupby(marked, key=lambda pair: (pair[0].sentence, pair[1] == "f"))
        return [[word for word, _ in run] for (_, free), run in runs if free]

    def units(self, words: Words) -> Iterator[str]:
        """The marks of each word or phrase that a synonym could replace, the longest first, from left to right."""
        marks, place, findings = self.marks(words), 0, self.named(words)
        while place < len(words):
            for length in range(self.longest, 0, -1) if words[place].text in self.openers else ():
                span = words[place : place + length]
                phrase = tuple(word.text for word in span)
                if len(span) < length or phrase not in self.group_of or not _one_sentence(span):
                    continue
                unit = set(range(place, place + length))
                torn = any(finding & unit and not finding <= unit for finding in findings)
                if torn and "P" not in marks[place : place + length]:
                    continue
                if "P" not in marks[place : place + length]:
                    others = [text for text in self.group_of[phrase] if tuple(text.lower().split()) != phrase]
                    if any(map(self._is_known, others)):
                        yield marks[place : place + length]
                    place += length - 1
                    break
            place += 1

    def _is_known(self, text: str) -> bool:
        """True if the tokenizer writes the text without unknown tokens, and not letter by letter."""
        if text not in self._known:
            encoding = self.tokenizer.backend.encode(f"a {text}", add_special_tokens=False)
            pieces = [len(list(group)) for _, group in groupby(encoding.word_ids[1:])]
            unknown = any("unk" in token.lower() for token in encoding.tokens)
            lengths = zip(text.split(), pieces, strict=True)
            self._known[text] = not unknown and all(len(word) >= 1.5 * count for word, count in lengths)
        return self._known[text]

    def can_change(self, words: Words, operation: str) -> bool:
        if operation == "swap":
            return any(len({word.tokens for word in stretch}) > 1 for stretch in self.stretches(words))
        if operation == "delete":
            return any(len(stretch) > 1 for stretch in self.stretches(words))
        return any(operation == "synonyms" or set(marks) == {"f"} for marks in self.units(words))

    def faults(self, before: Words, after: Words, operation: str) -> list[str]:
        """List what an operation did and must not do, without any text, which may be a patient's."""
        faults = []
        if self._fixed(before) != self._fixed(after):
            faults.append("the protected words are not the same, in the same order and sentences")
        moving = operation in ("swap", "delete", "insert")
        kept = [
            (word.sentence, word.tokens)
            for word, mark in zip(before, self.marks(before), strict=True)
            if mark == "P" or (moving and mark == "h")
        ]
        if not _is_subsequence(kept, [(word.sentence, word.tokens) for word in after]):
            faults.append("a word that must stay is gone or was moved")
        gaps = list(zip(self._gaps(before), self._gaps(after), strict=False))
        if any(bool(old) != bool(new) for old, new in gaps):
            faults.append("nothing is left between protected words, or words were added where there were none")
        if operation == "swap" and any(Counter(old) != Counter(new) for old, new in gaps):
            faults.append("a word left the scope it was in")
        if operation == "delete" and any(not _is_subsequence(new, old) for old, new in gaps):
            faults.append("something other than deletion took place")
        if operation == "insert" and any(not _is_subsequence(old, new) for old, new in gaps):
            faults.append("something other than insertion took place")
        return faults

    def _fixed(self, words: Words) -> list[tuple[int, tuple[int, ...]]]:
        return [(word.sentence, word.tokens) for word in words if self.is_protected(word)]

    def _gaps(self, words: Words) -> list[list[tuple[int, ...]]]:
        """The tokens of the words between one protected word or sentence boundary and the next."""
        gaps: list[list[tuple[int, ...]]] = []
        for _, sentence in groupby(words, key=lambda word: word.sentence):
            gaps.append([])
            for word in sentence:
                if self.is_protected(word):
                    gaps.append([])
                else:
                    gaps[-1].append(word.tokens)
        return gaps


def _finding_pattern(text: str) -> str:
    """A regular expression over words that each follow a space, which a group holds for the words of the finding."""
    pattern = "".join(
        r"(?: \S+){0,5}?" if word == "..." else f"( ){re.escape(word.lower()).replace(chr(92) + '*', r'[^ ]*')}(?= |$)"
        for word in text.split()
    )
    return f"(?={pattern})"


def _one_sentence(words: Words) -> bool:
    return len({word.sentence for word in words}) == 1


def _is_subsequence(part: Sequence[object], whole: Sequence[object]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)
