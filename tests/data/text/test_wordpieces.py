from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

from radsweep.data.text.wordpieces import wordpieces

COUNTS = {"effusion": 30, "effusions": 12, "infusion": 7, "fusion": 7, "no": 50, "nodule": 9, ".": 60, "é": 5}


def plain_wordpieces(counts: dict[str, int], joins: int) -> set[str]:
    """Count the pairs again for every join, without bookkeeping."""
    words = {word: [word[0], *("##" + letter for letter in word[1:])] for word in counts}
    made = set()
    for _ in range(joins):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, symbols in words.items():
            for pair in pairwise(symbols):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = best[0] + best[1][2:]
        made.add(joined)
        for word, symbols in words.items():
            position, result = 0, []
            while position < len(symbols):
                here = tuple(symbols[position : position + 2]) == best
                result.append(joined if here else symbols[position])
                position += 2 if here else 1
            words[word] = result
    return made


def long_pieces(pieces: list[str]) -> set[str]:
    return {piece for piece in pieces if len(piece.removeprefix("##")) > 1}


def test_pieces_equal_those_of_plain_byte_pair_encoding() -> None:
    generator = random.Random(0)
    counts = {
        "".join(generator.choices("abcde", k=generator.randint(1, 9))): generator.randint(1, 40) for _ in range(200)
    }
    counts |= {"aaaa": 5, "aaaaaaa": 3, "abab": 9, "ababab": 2}
    for joins in (1, 10, 60, 300):
        assert long_pieces(wordpieces(counts, 72 + joins)) == plain_wordpieces(counts, joins)


def test_enough_room_makes_every_word_one_piece() -> None:
    pieces = wordpieces(COUNTS, 1000)
    assert set(COUNTS) <= set(pieces)
    assert len(pieces) < 200


def test_the_size_is_never_exceeded_and_common_characters_come_first() -> None:
    for size in (10, 50, 80, 90):
        assert len(wordpieces(COUNTS, size)) == size
    assert {".", "n", "##o"} <= set(wordpieces(COUNTS, 10))


def test_the_order_of_the_words_changes_nothing() -> None:
    turned = dict(reversed(COUNTS.items()))
    assert wordpieces(COUNTS, 90) == wordpieces(turned, 90) == sorted(wordpieces(COUNTS, 90))


def test_a_long_piece_always_occurs_in_a_word() -> None:
    for piece in long_pieces(wordpieces(COUNTS, 90)):
        assert any(piece.removeprefix("##") in word for word in COUNTS)
