"""Starts of the sentences of a radiology report.

Reports are not prose. Section headers, numbered lists, wrapped lines, de-identification marks (XXXX, ___) and
measurements contain full stops and line breaks that a general splitter misreads. A header stays with the sentence
after it, so that each sentence is meaningful by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ABBREVIATIONS = frozenset(
    ("dr", "drs", "mr", "mrs", "ms", "prof", "vs", "approx", "fig", "st", "cf", "resp", "incl", "e.g", "i.e")
)
_TIMES = frozenset(("a.m", "p.m"))  # end a sentence before a capital
_STOP = re.compile(r"(?<![.!?])[.!?]++[\"')\]]*+(?=\s|$)|(?<=[A-Za-z]{3})\.(?=[A-Z][a-z])")
_BLANK_LINE = re.compile(r"\n[ \t\r]*(?=\n)")
_ITEM_LINE = re.compile(r"\n[ \t]*(?=(?:\(?\d{1,2}[.)]|[-*•])[ \t]+\S)")
_HEADER = re.compile(r"(?:^|(?<=\n)|(?<=\s))(?=[A-Z][A-Z/&() -]{2,40}:)|(?<=\n)(?=[A-Z][A-Za-z ]{2,30}:)")
_WORD_BEFORE = re.compile(r"[\w.]*\w$")
_ITEM_NUMBER = re.compile(r"(?:^|[:;\n]|[.!?]\s)\s*\(?\d{1,2}$")
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_NOT_BLANK = re.compile(r"\S")
_HEADER_ALONE = re.compile(r"[^.!?]{2,45}:\s*(?:\(?\d{1,2}[.)])?\s*")


def sentence_starts(report: str) -> list[int]:
    """Return the positions (characters, ascending) at which sentences of `report` begin; 0 is always the first."""
    cuts = sorted(
        {match.end() for match in _STOP.finditer(report) if _ends_sentence(report, match)} | set(_breaks(report))
    )
    starts, first, last_cut = [0], _first_word(report, 0), 0
    for cut in cuts:
        gap, last_cut = slice(last_cut, cut), cut
        if cut <= first or not report[gap].strip():  # nothing since the start, or nothing since a cut that was judged
            continue
        following = _first_word(report, cut)
        if following == len(report):
            break
        if not _HEADER_ALONE.fullmatch(report, starts[-1], cut):
            starts.append(cut)
            first = following
    return starts


def _first_word(report: str, start: int) -> int:
    """Return the position of the first letter or digit from `start`, or the length of the report."""
    found = _SAYS_SOMETHING.search(report, start)
    return found.start() if found else len(report)


def _breaks(report: str) -> Iterator[int]:
    for pattern in (_BLANK_LINE, _ITEM_LINE, _HEADER):
        yield from (match.end() for match in pattern.finditer(report))


def _ends_sentence(report: str, stop: re.Match[str]) -> bool:
    """Return False if a full stop belongs to an abbreviation, an initial or a list number."""
    if stop.group()[0] != ".":
        return True
    before = report[max(0, stop.start() - 24) : stop.start()]
    if _ITEM_NUMBER.search(before):
        return False
    word = _WORD_BEFORE.search(before)
    if word is None:
        return True
    name = word.group().lower()
    if name in _TIMES:
        following = _NOT_BLANK.search(report, stop.end())
        return not following or following.group().isupper()
    return name not in _ABBREVIATIONS and not (len(name) == 1 and word.group().isupper() and name != "i")
