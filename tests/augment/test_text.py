from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np
import pytest
import torch

from radsweep.augment.random import sample_keys
from radsweep.augment.text import augment_texts, text_batch
from radsweep.data.tokenizer import SpecialIds, TokenisedReports
from radsweep.spec.trial import TextAugmentation

SPECIAL = SpecialIds(cls=2, sep=3, pad=0, mask=4)
Kind = Literal["all", "sample", "one", "shuffle"]


def reports(*sentences: list[int]) -> TokenisedReports:
    """One report a list, of its sentences' numbers of tokens; token ids count from 10, words hold two tokens."""
    tokens = [np.arange(10, 10 + sum(report)) for report in sentences]
    numbers = [np.repeat(np.arange(len(report)), report) for report in sentences]
    offsets = np.cumsum([0, *(sum(report) for report in sentences)])
    words = [(np.arange(sum(report)) // 2) for report in sentences]
    return TokenisedReports(
        np.concatenate(tokens).astype(np.int32),
        np.concatenate(numbers).astype(np.int32),
        np.concatenate(words).astype(np.int32),
        offsets,
    )


def rows(batch: TokenisedReports) -> list[list[int]]:
    return [part.tolist() for part in np.split(batch.tokens_T, batch.offsets[1:-1])]


def augmented(batch: TokenisedReports, kind: Kind, epoch: int = 0, keep: float = 0.6) -> TokenisedReports:
    keys = sample_keys(0, torch.arange(len(batch.offsets) - 1), epoch)
    return augment_texts(batch, TextAugmentation(sentences=kind, keep=keep), keys)


MANY = [[3, 1, 4, 2, 6]] * 300


def sentences_of(row: list[int], lengths: list[int]) -> list[int]:
    """Which sentences a row is made of, in order; fails where one is not whole."""
    starts = np.cumsum([10, *lengths])
    found = []
    while row:
        number = int(np.flatnonzero(starts == row[0])[0])
        whole = list(range(starts[number], starts[number + 1]))
        assert row[: len(whole)] == whole
        found.append(number)
        row = row[len(whole) :]
    return found


def test_all_leaves_reports_as_written() -> None:
    assert rows(augmented(reports(*MANY), "all")) == rows(reports(*MANY))


def test_sampling_keeps_whole_sentences_in_order_at_the_rate_asked_for() -> None:
    kept = [sentences_of(row, MANY[0]) for row in rows(augmented(reports(*MANY), "sample"))]
    assert all(numbers == sorted(numbers) for numbers in kept)
    assert all(kept)
    share = sum(map(len, kept)) / (5 * len(kept))
    assert share == pytest.approx(0.6, abs=0.05)
    assert len({tuple(numbers) for numbers in kept}) > 20


def test_sampling_always_keeps_a_sentence_and_each_has_its_chance() -> None:
    kept = [sentences_of(row, MANY[0]) for row in rows(augmented(reports(*MANY), "sample", keep=1e-6))]
    assert {len(numbers) for numbers in kept} == {1}
    assert min(Counter(numbers[0] for numbers in kept).values()) > 30


def test_one_draws_each_sentence_equally_often() -> None:
    kept = [sentences_of(row, MANY[0]) for row in rows(augmented(reports(*MANY), "one"))]
    assert {len(numbers) for numbers in kept} == {1}
    counts = Counter(numbers[0] for numbers in kept)
    assert all(30 < counts[number] < 95 for number in range(5))


def test_shuffling_keeps_every_sentence_in_another_order() -> None:
    orders = [sentences_of(row, MANY[0]) for row in rows(augmented(reports(*MANY), "shuffle"))]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert len({tuple(order) for order in orders}) > 80  # of 120


@pytest.mark.parametrize("kind", ["sample", "one", "shuffle"])
def test_a_report_is_augmented_alike_in_any_batch_and_anew_each_epoch(kind: Kind) -> None:
    batch = reports([3, 1, 4], [2], [1, 1, 1, 1, 1, 1, 1], [5, 5], [0])
    keys = sample_keys(0, torch.arange(5), 0)
    settings = TextAugmentation(sentences=kind)
    whole = rows(augment_texts(batch, settings, keys))
    alone = [rows(augment_texts(batch.take(np.array([n])), settings, keys[n : n + 1]))[0] for n in range(5)]
    assert whole == alone
    assert rows(augmented(reports(*MANY), kind, epoch=1)) != rows(augmented(reports(*MANY), kind, epoch=2))


def test_a_batch_is_padded_to_its_longest_report() -> None:
    batch = text_batch(reports([2, 1], [5], [0]), SPECIAL, max_tokens=20)
    assert batch.ids_BL.tolist() == [[2, 10, 11, 12, 3, 0, 0], [2, 10, 11, 12, 13, 14, 3], [2, 3, 0, 0, 0, 0, 0]]
    assert batch.mask_BL.sum(dim=1).tolist() == [5, 7, 2]
    assert torch.equal(batch.mask_BL, batch.ids_BL != 0)
    assert batch.words_BL.tolist() == [[-1, 0, 0, 1, -1, -1, -1], [-1, 0, 0, 1, 1, 2, -1], [-1] * 7]


def test_long_reports_are_cut_and_still_end_with_the_end_token() -> None:
    batch = text_batch(reports([30], [3]), SPECIAL, max_tokens=8)
    assert batch.ids_BL.tolist() == [[2, 10, 11, 12, 13, 14, 15, 3], [2, 10, 11, 12, 3, 0, 0, 0]]


def test_words_are_numbered_anew_after_augmentation() -> None:
    batch = text_batch(augmented(reports(*[[4, 2, 6, 2]] * 50), "shuffle"), SPECIAL, max_tokens=40)
    assert {tuple(row) for row in batch.words_BL.tolist()} == {(-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, -1)}
    batch = text_batch(augmented(reports(*[[4, 2, 6, 2]] * 50), "one"), SPECIAL, max_tokens=40)
    for row in batch.words_BL.tolist():
        assert sorted(set(row)) == list(range(-1, max(row) + 1))


def test_a_word_that_ends_one_report_does_not_run_into_the_next() -> None:
    same = TokenisedReports(
        np.array([10, 11], np.int32), np.zeros(2, np.int32), np.zeros(2, np.int32), np.array([0, 1, 2])
    )
    assert text_batch(same, SPECIAL, 10).words_BL.tolist() == [[-1, 0, -1], [-1, 0, -1]]
