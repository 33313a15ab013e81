from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from radsweep.augment.lexicon import FREE, HELD, PROTECTED, Lexicon
from radsweep.augment.words import load_words
from radsweep.data.text.tokenizer import ReportTokenizer, load_tokenizer, train_tokenizer
from radsweep.errors import InputError

KINDS = ("trained", "wordpiece", "byte-level", "clip")
TokenizerOf = Callable[[str], ReportTokenizer]


def word_of(tokenizer: ReportTokenizer, text: str) -> tuple[int, ...]:
    """The tokens of one word, after another."""
    reports = tokenizer.tokenise([f"the {text}"])
    assert reports.words_T[-1] == 1
    return tuple(reports.tokens_T[reports.words_T == 1].tolist())


def kinds_of(lexicon: Lexicon, tokenizer: ReportTokenizer, *texts: str) -> list[int]:
    numbers = lexicon.numbers([word_of(tokenizer, text) for text in texts])
    return lexicon.traits(np.array(numbers)).kind_W.tolist()


@pytest.fixture(scope="module")
def lexicon_of(tokenizer_of: TokenizerOf) -> Callable[[str], Lexicon]:
    return lambda kind: Lexicon(tokenizer_of(kind), load_words("english"))


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_distinguished_by_what_they_mean(
    kind: str, tokenizer_of: TokenizerOf, lexicon_of: Callable[[str], Lexicon]
) -> None:
    protected = ("no", "No", "left", "bilateral", "mildly", "two", "cm", "possible", "XXXX", "7", ".", ":", "a", "but")
    kinds = kinds_of(lexicon_of(kind), tokenizer_of(kind), *protected)
    assert kinds == [PROTECTED] * len(protected)
    assert kinds_of(lexicon_of(kind), tokenizer_of(kind), "normal", "Stable", "clear") == [HELD] * 3
    assert kinds_of(lexicon_of(kind), tokenizer_of(kind), "effusion", "Heart", "zyx", "the") == [FREE] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_synonyms_are_tokens_as_they_stand_after_another_word(
    kind: str, tokenizer_of: TokenizerOf, lexicon_of: Callable[[str], Lexicon]
) -> None:
    tokenizer, lexicon = tokenizer_of(kind), lexicon_of(kind)
    numbers = tuple(lexicon.numbers([word_of(tokenizer, "pneumothorax")]))
    (other,) = lexicon.alternatives(("pneumothorax",), numbers)
    assert [lexicon.tokens[number] for number in other] == [word_of(tokenizer, "pleural"), word_of(tokenizer, "air")]


def test_the_first_word_of_a_byte_level_text_stays(
    tokenizer_of: TokenizerOf, lexicon_of: Callable[[str], Lexicon]
) -> None:
    tokenizer, lexicon = tokenizer_of("byte-level"), lexicon_of("byte-level")
    first = tuple(tokenizer.tokenise(["Heart"]).tokens_T.tolist())
    assert lexicon.traits(np.array(lexicon.numbers([first]))).kind_W.tolist() == [PROTECTED]


def test_a_synonym_that_the_tokenizer_does_not_know_is_left_out() -> None:
    tokenizer = load_tokenizer(
        train_tokenizer([(f"p{n}", "the heart opacity pleural effusion") for n in range(5)], 400)
    )
    lexicon = Lexicon(tokenizer, load_words("english"))
    numbers = tuple(lexicon.numbers([word_of(tokenizer, "opacity")]))
    assert lexicon.alternatives(("opacity",), numbers) == ()  # "opacification" would be spelled in letters
    assert not lexicon.has_synonyms()


def test_accents_and_case_do_not_count(tokenizer_of: TokenizerOf) -> None:
    words = load_words("english")._replace(protected=frozenset({("cote",)}))
    tokenizer = tokenizer_of("trained")
    assert kinds_of(Lexicon(tokenizer, words), tokenizer, "Côté", "coté", "no") == [PROTECTED, PROTECTED, FREE]


def test_a_tokenizer_without_words_is_refused(tokenizer_of: TokenizerOf) -> None:
    backend = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    whole = replace(tokenizer_of("trained"), backend=backend)
    with pytest.raises(InputError, match=r"augment\.text: this tokenizer does not separate words"):
        Lexicon(whole, load_words("english"))
