"""Names of findings in a report: words and phrases, in every inflection that a list gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

GAP, STEM = "...", "*"
MOST_BETWEEN = 5  # words that a gap may stand for

Pattern = tuple[str, ...]  # words, as `radsweep.augment.words.plain` leaves them; stems end with STEM, gaps are GAP


class Named(NamedTuple):
    """A finding in a sentence."""

    finding: str
    places: tuple[int, ...]  # of its words in the sentence


class Findings:
    """The names of findings: {pattern: finding}."""

    def __init__(self, names: Mapping[Pattern, str]) -> None:
        self.names = dict(names)
        self._words: defaultdict[str, list[Pattern]] = defaultdict(list)  # by a whole first word
        self._stems: defaultdict[str, list[Pattern]] = defaultdict(list)
        for pattern in self.names:
            first = pattern[0]
            (self._stems if first.endswith(STEM) else self._words)[first.removesuffix(STEM)].append(pattern)
        self.may_begin = cache(self._may_begin)

    def _may_begin(self, word: str) -> tuple[Pattern, ...]:
        """The patterns that may begin with a word."""
        stems = (word[:length] for length in range(1, len(word) + 1))
        return (*self._words.get(word, ()), *(pattern for stem in stems for pattern in self._stems.get(stem, ())))

    def find(self, words: Sequence[str]) -> list[Named]:
        """The findings that a sentence names; a name within a longer one (`effusion`) does not count."""
        found = {
            places: Named(self.names[pattern], places)
            for first, word in enumerate(words)
            for pattern in self.may_begin(word)
            if (places := _match(pattern, words, first)) is not None
        }
        whole = [set(places) for places in found]
        return [named for places, named in found.items() if not any(set(places) < other for other in whole)]

    def of(self, words: Sequence[str]) -> frozenset[str]:
        """The findings that a phrase or sentence names."""
        return frozenset(named.finding for named in self.find(words))


def words_of(pattern: Pattern) -> Pattern:
    """The words of a pattern, stems as if they were words; gaps only stay at its ends, which must be words."""
    inner = range(1, len(pattern) - 1)
    return tuple(
        word.removesuffix(STEM) if word != GAP else word
        for place, word in enumerate(pattern)
        if word != GAP or place not in inner
    )


def _match(pattern: Pattern, words: Sequence[str], first: int) -> tuple[int, ...] | None:
    """The places of the words of `pattern`, the first of which is at `first`."""
    places, room = [first], 1
    for part in pattern[1:]:
        if part == GAP:
            room = MOST_BETWEEN + 1
            continue
        after = places[-1] + 1
        at = next((place for place in range(after, min(after + room, len(words))) if _is(part, words[place])), None)
        if at is None:
            return None
        places.append(at)
        room = 1
    return tuple(places)


def _is(part: str, word: str) -> bool:
    return word.startswith(part[:-1]) if part.endswith(STEM) else word == part
