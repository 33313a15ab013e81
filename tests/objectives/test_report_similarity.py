"""Reports are never similar across a negation, a side, a degree or a number; by a plain implementation on strings."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from radsweep.data.text.tokenizer import ReportTokenizer, load_tokenizer, train_tokenizer
from radsweep.errors import InputError
from radsweep.objectives.report_similarity import ReportSimilarity
from support.plain_words import PlainWords, Words

DIVIDED = [
    ("Small right effusion.", "Small left effusion."),
    ("The heart is enlarged.", "The heart is not enlarged."),
    ("Small right effusion.", "Large right effusion."),
    ("A nodule of 5 mm is seen in the lung.", "A nodule of 8 mm is seen in the lung."),
    ("A nodule of 5 mm is seen in the lung.", "A nodule of 5 cm is seen in the lung."),
    ("A nodule of 2.5 cm is seen in the lung.", "A nodule of 25 cm is seen in the lung."),
    ("A nodule of 2.5 cm is seen in the lung.", "A nodule of 2-5 cm is seen in the lung."),
    ("No effusion. Consolidation is seen.", "Effusion. No consolidation is seen."),
    ("No effusion but consolidation.", "Effusion but no consolidation."),
    ("The effusion is no longer seen in the lung.", "The effusion is seen in the lung."),
    ("Effusion without pneumothorax of the lung.", "Effusion with pneumothorax of the lung."),
    ("Effusion without pneumothorax of the lung.", "Effusion pneumothorax of the lung."),
    ("Bilateral effusion is seen in the lung.", "Effusion is seen in the lung."),
    ("Bilateral effusion is seen in the lung.", "Left effusion is seen in the lung."),
    ("Left-sided effusion is seen.", "Right-sided effusion is seen."),
    ("Fracture of T8 is seen in the spine.", "Fracture of T9 is seen in the spine."),
    ("Effusion on the left, mass in the lung.", "Effusion, mass on the left in the lung."),
    ("Left effusion and right mass.", "Right effusion and left mass."),
    ("Possible effusion is seen in the lung.", "Effusion is seen in the lung."),
    ("The heart is normal. Effusion is seen in the lung.", "The heart is normal."),
    ("The lungs are clear. The heart is normal.", "The lungs are clear. The heart is abnormal."),
]
JOINED = [
    ("There is a small right effusion.", "THERE IS A SMALL RIGHT EFFUSION", 1.0),
    ("There is a small right effusion seen.", "There is a small right effusion.", 6 / 7),
    ("The heart is normal.  The lungs are clear.", "The heart is normal. The lungs are clear.", 1.0),
    (
        "No effusion is seen in the lungs. The heart is normal.",
        "No effusion is seen in lungs. The heart is normal.",
        6 / 7,
    ),
]
WORDS = ["effusion", "mass", "the", "lung", "is", "seen", "no", "left", "small", "5", "and", "normal", ",", "without"]


@pytest.fixture(scope="module")
def tokenizer() -> ReportTokenizer:
    texts = [text for pair in [*DIVIDED, *JOINED] for text in pair[:2]] + [" ".join(WORDS)] * 5
    return load_tokenizer(train_tokenizer([(f"p{number % 5}", text) for number, text in enumerate(texts * 5)], 2000))


@pytest.fixture(scope="module")
def similarity(tokenizer: ReportTokenizer) -> ReportSimilarity:
    return ReportSimilarity(tokenizer, "english")


@pytest.mark.parametrize("pair", DIVIDED)
def test_reports_that_a_negation_side_degree_number_or_place_divides_are_not_similar(
    pair: tuple[str, str], tokenizer: ReportTokenizer, similarity: ReportSimilarity
) -> None:
    batch = tokenizer.tokenise(pair)
    assert similarity.least(batch)[0, 1] == 0
    assert similarity.mean(batch)[0, 1] < 1


@pytest.mark.parametrize(("first", "second", "expected"), JOINED)
def test_reports_that_differ_in_case_space_or_another_word_are_similar(
    first: str, second: str, expected: float, tokenizer: ReportTokenizer, similarity: ReportSimilarity
) -> None:
    batch = tokenizer.tokenise([first, second])
    assert similarity.least(batch)[0, 1] == pytest.approx(expected)


def test_the_order_of_sentences_counts_for_the_least(tokenizer: ReportTokenizer, similarity: ReportSimilarity) -> None:
    """Another finding is small."""
    batch = tokenizer.tokenise(["Left effusion. Right mass. It is small.", "Left effusion. It is small. Right mass."])
    assert similarity.least(batch)[0, 1] == 0
    assert similarity.mean(batch)[0, 1] == 1


def test_a_negation_divides_a_long_report_as_well(tokenizer: ReportTokenizer, similarity: ReportSimilarity) -> None:
    filler = "The heart is normal. The lungs are clear. " * 10
    batch = tokenizer.tokenise([filler + "No effusion is seen.", filler + "Effusion is seen."])
    assert similarity.least(batch)[0, 1] == 0
    assert similarity.mean(batch)[0, 1] == pytest.approx(20 / 21)


def test_words_that_the_tokenizer_does_not_know_are_never_alike(
    tokenizer: ReportTokenizer, similarity: ReportSimilarity
) -> None:
    batch = tokenizer.tokenise(["The heart has ßø.", "The heart has æđ."])
    assert tokenizer.tokenise(["ßø"]).tokens_T.tolist() == [1], "unknown"
    assert np.array_equal(similarity.least(batch), np.eye(2))
    assert np.array_equal(similarity.mean(batch), np.eye(2))


def test_a_tokenizer_that_does_not_separate_words_is_refused(tokenizer: ReportTokenizer) -> None:
    whole = replace(tokenizer, backend=Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]")))
    with pytest.raises(InputError, match=r"objective: this tokenizer does not separate words, which similar reports"):
        ReportSimilarity(whole, "english")


def test_a_report_without_words_is_only_like_itself(tokenizer: ReportTokenizer, similarity: ReportSimilarity) -> None:
    batch = tokenizer.tokenise(["", "The heart is normal.", "..", ""])
    assert np.array_equal(similarity.least(batch), np.eye(4))
    assert np.array_equal(similarity.mean(batch), np.eye(4))


def plain_sentences(words: Words, marks: str) -> list[tuple[list[str], list[tuple[str, int]]]]:
    """The fixed words of each sentence, and each free word with the number of fixed ones before it."""
    result = []
    for _, group in groupby(zip(words, marks, strict=True), key=lambda pair: pair[0].sentence):
        sentence = list(group)
        while sentence and not any(letter.isalnum() for letter in sentence[-1][0].text):
            sentence.pop()
        if not sentence:
            continue
        fixed: list[str] = []
        free: list[tuple[str, int]] = []
        for word, mark in sentence:
            if mark == "f":
                free.append((word.text, len(fixed)))
            else:
                fixed.append(word.text)
        result.append((fixed, free))
    return result


def plain_alike(a: tuple[list[str], list[tuple[str, int]]], b: tuple[list[str], list[tuple[str, int]]]) -> float:
    if a[0] != b[0]:
        return 0.0
    words_a, words_b = ({word for word, _ in free} for _, free in (a, b))
    for word in words_a & words_b:
        if {place for w, place in a[1] if w == word} != {place for w, place in b[1] if w == word}:
            return 0.0
    union = len(words_a | words_b) + len(a[0])
    return (len(words_a & words_b) + len(a[0])) / union


def test_similarity_is_that_of_plain_loops(tokenizer: ReportTokenizer, similarity: ReportSimilarity) -> None:
    generator = np.random.default_rng(0)

    def sentence() -> str:
        return " ".join(generator.choice(WORDS, generator.integers(1, 4)))

    known = [sentence() for _ in range(40)]
    texts = [". ".join(generator.choice(known, generator.integers(0, 3))) + "." for _ in range(100)]
    batch, plain = tokenizer.tokenise(texts), PlainWords(tokenizer)
    least, mean = similarity.least(batch), similarity.mean(batch)
    reports = [plain_sentences(words, plain.marks(words)) for words in plain.read(batch)]
    partly = 0
    for i, a in enumerate(reports):
        for j, b in enumerate(reports):
            if i == j:
                expected = (1.0, 1.0)
            elif not a or not b:
                expected = (0.0, 0.0)
            else:
                pairs = [plain_alike(x, y) for x, y in zip(a, b, strict=False)]
                both = sum(max(plain_alike(x, y) for y in b) for x in a) + sum(
                    max(plain_alike(x, y) for x in a) for y in b
                )
                expected = (min(pairs) if len(a) == len(b) else 0.0, both / (len(a) + len(b)))
            assert (least[i, j], mean[i, j]) == pytest.approx(expected), (texts[i], texts[j])
            partly += 0 < expected[0] < 1
    assert partly > 0
