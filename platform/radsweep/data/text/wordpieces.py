"""A WordPiece vocabulary from word counts: the same counts give the same pieces in every process.

Pieces are joined as in byte-pair encoding (Sennrich, Haddow and Birch 2016), the most frequent pair first. The trainer
of the `tokenizers` library does so too, but it breaks ties by hash order, which differs between processes.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

CONTINUES = "##"  # marks a piece that does not begin a word
_ALWAYS = "abcdefghijklmnopqrstuvwxyz0123456789"

Pair = tuple[str, str]


def wordpieces(counts: Mapping[str, int], size: int) -> list[str]:
    """Return at most `size` pieces, sorted: characters of the words in `counts` (and a-z, 0-9) and joined pieces.

    A piece of two or more characters occurs in one of the words. There are fewer than `size` if each word is one piece.
    """
    words = [(_characters(word), counts[word]) for word in sorted(counts)]
    singles: Counter[str] = Counter({prefix + character: 0 for prefix in ("", CONTINUES) for character in _ALWAYS})
    for symbols, count in words:
        for symbol in symbols:
            singles[symbol] += count
    kept = sorted(singles, key=lambda symbol: (-singles[symbol], symbol))[:size]
    return sorted({*kept, *_joined(words, size - len(kept))})


def _characters(word: str) -> list[str]:
    return [word[0], *(CONTINUES + character for character in word[1:])]


def _joined(words: list[tuple[list[str], int]], room: int) -> set[str]:
    """Return up to `room` pieces, joined most frequent pair first; ties in alphabetical order."""
    frequency: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, (symbols, count) in enumerate(words):
        for pair in pairwise(symbols):
            frequency[pair] += count
            places[pair].add(index)
    heap = [(-count, pair) for pair, count in frequency.items()]
    heapq.heapify(heap)
    made: set[str] = set()
    while heap and len(made) < room:
        negative, pair = heapq.heappop(heap)
        if -negative != frequency[pair] or negative == 0:
            continue  # counted again since it was pushed
        made.add(_join(pair))
        changed: set[Pair] = set()
        for index in sorted(places.pop(pair)):
            symbols, count = words[index]
            for old in pairwise(symbols):
                frequency[old] -= count
                changed.add(old)
            symbols[:] = _replaced(symbols, pair)
            for new in pairwise(symbols):
                frequency[new] += count
                places[new].add(index)
                changed.add(new)
        for other in changed:
            if frequency[other] > 0:
                heapq.heappush(heap, (-frequency[other], other))
    return made


def _join(pair: Pair) -> str:
    return pair[0] + pair[1].removeprefix(CONTINUES)


def _replaced(symbols: list[str], pair: Pair) -> list[str]:
    result: list[str] = []
    for symbol in symbols:
        if result and (result[-1], symbol) == pair:
            result[-1] = _join(pair)
        else:
            result.append(symbol)
    return result
