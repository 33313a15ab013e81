"""Text augmentation on the real reports of Open-i: counts alone, no report is ever printed."""

from __future__ import annotations

import csv
from collections import Counter
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextAugmenter, augment_texts
from radsweep.augment.words import load_words
from radsweep.config.augmentation import TextAugmentation
from radsweep.data.text.tokenizer import ReportTokenizer, TokenisedReports, load_tokenizer, train_tokenizer
from support.plain_words import PlainWords, Words

OPENI = Path(__file__).resolve().parents[3] / "shared/data/openi/indiana_reports.csv"

pytestmark = pytest.mark.skipif(not OPENI.is_file(), reason="the real reports of shared/data/openi are not here")


@cache
def openi() -> tuple[ReportTokenizer, TokenisedReports, PlainWords, list[Words]]:
    with OPENI.open(encoding="utf-8", newline="") as file:
        parts = [(row["uid"], row["findings"].strip(), row["impression"].strip()) for row in csv.DictReader(file)]
    reports = [
        (study, " ".join(f"{name}: {text}" for name, text in (("FINDINGS", body), ("IMPRESSION", end)) if text))
        for study, body, end in parts
        if body or end
    ]
    tokenizer = load_tokenizer(train_tokenizer(reports, 8000))
    batch = tokenizer.tokenise([text for _, text in reports])
    plain = PlainWords(tokenizer)
    return tokenizer, batch, plain, plain.read(batch)


@cache
def augmented(**settings: object) -> tuple[TokenisedReports, list[bool], list[Words]]:
    """The reports augmented, which of them changed, and their words."""
    tokenizer, batch, plain, _ = openi()
    keys = sample_keys(0, torch.arange(len(batch.offsets) - 1), 0)
    result = TextAugmenter(TextAugmentation(**settings), tokenizer)(batch, keys)  # type: ignore[arg-type]
    spans = zip(pairwise(batch.offsets.tolist()), pairwise(result.offsets.tolist()), strict=True)
    changed = [not np.array_equal(batch.tokens_T[a:b], result.tokens_T[c:d]) for (a, b), (c, d) in spans]
    return result, changed, plain.read(result)


# Of 3,087 reports; the others cannot change: they have no word with a synonym that may be replaced (synonyms) or stand
# beside another (insert), or no two free words side by side (swap, delete).
NAME_A_FINDING = 2831
CAN_CHANGE = {"synonyms": 3077, "swap": 3063, "delete": 3063, "insert": 2838}


def named(reports: list[Words]) -> list[frozenset[str]]:
    """The findings that each report names."""
    findings = load_words("english").findings
    return [
        frozenset().union(
            *(findings.of([word.text for word in of]) for _, of in groupby(each, key=lambda word: word.sentence))
        )
        for each in reports
    ]


@pytest.fixture(scope="module")
def named_before() -> list[frozenset[str]]:
    return named(openi()[-1])


@pytest.mark.parametrize("operation", list(CAN_CHANGE))
def test_row_9_no_report_loses_a_finding_that_it_names(operation: str, named_before: list[frozenset[str]]) -> None:
    """Before findings were protected, `delete: 0.1` took one from 594 of the 1,926 positive reports."""
    before = named_before
    assert sum(map(bool, before)) == NAME_A_FINDING
    for part in (0.1, 1.0):
        after = named(augmented(**{operation: part})[2])
        assert sum(bool(old - new) for old, new in zip(before, after, strict=True)) == 0


def test_two_words_of_five_may_be_moved() -> None:
    _, _, plain, before = openi()
    marks = Counter(mark for words in before for mark in plain.marks(words))
    assert len(before) == 3087  # 16 studies have neither findings nor impression
    assert marks == {"f": 59_341, "P": 61_587, "h": 32_724}  # punctuation is among the protected


@pytest.mark.parametrize("operation", list(CAN_CHANGE))
def test_every_report_that_can_change_does_and_no_protected_word_is_touched(operation: str) -> None:
    _, _, plain, before = openi()
    can = [plain.can_change(words, operation) for words in before]
    assert sum(can) == CAN_CHANGE[operation]
    for part in (0.1, 1.0):
        _, changed, after = augmented(**{operation: part})
        assert [number for number, pair in enumerate(zip(changed, can, strict=True)) if pair[0] != pair[1]] == []
        pairs = zip(before, after, strict=True)
        assert {number: found for number, pair in enumerate(pairs) if (found := plain.faults(*pair, operation))} == {}


def test_after_sentence_sampling_too_what_can_change_does_and_no_protected_word_is_touched() -> None:
    _, batch, plain, _ = openi()
    keys = sample_keys(0, torch.arange(len(batch.offsets) - 1), 0)
    before = plain.read(augment_texts(batch, TextAugmentation(sentences="sample"), keys))
    can = [any(plain.can_change(words, operation) for operation in CAN_CHANGE) for words in before]
    after = augmented(sentences="sample", synonyms=0.1, swap=0.1, delete=0.1, insert=0.1)[2]
    pairs = list(zip(before, after, strict=True))
    assert [number for number, (old, new) in enumerate(pairs) if (old != new) != can[number]] == []
    assert [number for number, (old, new) in enumerate(pairs) if plain.faults(old, new, "all")] == []
    assert sum(can) == 3054
