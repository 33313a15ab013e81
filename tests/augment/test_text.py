from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextAugmenter, augment_texts, text_batch
from radsweep.config.augmentation import TextAugmentation
from radsweep.data.text.tokenizer import ReportTokenizer, SpecialIds, TokenisedReports, load_tokenizer, train_tokenizer
from radsweep.errors import InputError

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
def test_a_report_is_augmented_alike_in_any_batch_and_newly_in_each_epoch(kind: Kind) -> None:
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


WORD_OPERATIONS = ("synonyms", "swap", "delete", "insert")
TokenizerOf = Callable[[str], ReportTokenizer]


@pytest.mark.parametrize(
    "settings", [{"sentences": "shuffle"}, {"sentences": "sample"}, {"sentences": "one"}]
    + [{name: 0.1} for name in WORD_OPERATIONS], ids=str,
)  # fmt: skip
def test_each_text_augmentation_changes_its_input_seen_from_the_batch(
    settings: dict[str, object], tokenizer_of: TokenizerOf, texts: tuple[str, ...]
) -> None:
    tokenizer = tokenizer_of("trained")
    written = tokenizer.tokenise(texts[:3] * 20)
    keys = sample_keys(0, torch.arange(60), 0)
    augment = TextAugmenter(TextAugmentation(**settings), tokenizer)  # type: ignore[arg-type]
    plain, seen = (text_batch(part, tokenizer.special, 200).ids_BL for part in (written, augment(written, keys)))
    width = max(plain.shape[1], seen.shape[1])
    plain, seen = (torch.nn.functional.pad(ids, (0, width - ids.shape[1])) for ids in (plain, seen))
    changed = (plain != seen).any(dim=1)
    assert changed.float().mean() > (0.3 if "sentences" in settings else 0.99)


def test_without_word_operations_only_the_sentences_change_and_no_word_list_is_read(
    tokenizer_of: TokenizerOf, texts: tuple[str, ...]
) -> None:
    tokenizer = tokenizer_of("trained")
    batch, keys = tokenizer.tokenise(texts), sample_keys(0, torch.arange(len(texts)), 0)
    for kind in ("all", "sample", "one", "shuffle"):
        settings = TextAugmentation(sentences=kind, words="no/such/file.yaml")  # type: ignore[arg-type]
        both = zip(TextAugmenter(settings, tokenizer)(batch, keys), augment_texts(batch, settings, keys), strict=True)
        assert all(np.array_equal(one, other) for one, other in both)


@pytest.mark.parametrize("sentences", ["all", "sample", "one", "shuffle"])
def test_words_are_augmented_alike_in_any_batch_and_newly_in_each_epoch(
    sentences: Kind, tokenizer_of: TokenizerOf, texts: tuple[str, ...]
) -> None:
    tokenizer = tokenizer_of("trained")
    settings = TextAugmentation(sentences=sentences, synonyms=0.3, swap=0.3, delete=0.3, insert=0.3)
    batch, numbers = tokenizer.tokenise(texts), np.arange(len(texts))
    keys = sample_keys(0, torch.from_numpy(numbers), 0)
    augment = TextAugmenter(settings, tokenizer)
    whole = augment(batch, keys)
    other = TextAugmenter(settings, tokenizer)  # it meets the words in another order
    for number in numbers[::-1]:
        alone = other(batch.take(numbers[number : number + 1]), keys[number : number + 1])
        assert all(np.array_equal(*pair) for pair in zip(alone, whole.take(numbers[number : number + 1]), strict=True))
    again = augment(batch, keys)
    assert all(np.array_equal(*pair) for pair in zip(again, whole, strict=True))
    assert rows(augment(batch, sample_keys(0, torch.from_numpy(numbers), 1))) != rows(whole)


def test_words_change_in_the_sentences_that_are_left(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    batch = tokenizer.tokenise(["The heart is normal. Basal lung. Osseous structures are seen. Lung apex."] * 50)
    keys = sample_keys(0, torch.arange(50), 0)
    one = augment_texts(batch, TextAugmentation(sentences="one"), keys)
    result = TextAugmenter(TextAugmentation(sentences="one", swap=0.01), tokenizer)(batch, keys)
    for left, right in zip(rows(one), rows(result), strict=True):
        assert left != right
        assert Counter(left) == Counter(right)
    assert np.array_equal(result.sentences_T, one.sentences_T)


def test_a_word_list_that_cannot_be_used_is_the_users_to_put_right(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(train_tokenizer([(f"p{n}", "hjärtat är normalt") for n in range(5)], 400))
    with pytest.raises(InputError, match=r"augment\.text\.words: nowhere: is neither a language"):
        TextAugmenter(TextAugmentation(swap=0.1, words="nowhere"), tokenizer)
    with pytest.raises(InputError, match=r"augment\.text\.words: english has no synonyms that the tokenizer"):
        TextAugmenter(TextAugmentation(insert=0.1), tokenizer)
    TextAugmenter(TextAugmentation(swap=0.1), tokenizer)
    (tmp_path / "svenska.yaml").write_text(
        "protected: {nekande: [ingen]}\nfindings: {}\nsynonyms: [[hjärtat, normalt]]", "utf-8"
    )
    settings = TextAugmentation(synonyms=1, words=str(tmp_path / "svenska.yaml"))
    result = TextAugmenter(settings, tokenizer)(tokenizer.tokenise(["hjärtat är"]), sample_keys(0, torch.arange(1), 0))
    assert result.tokens_T.tolist() == tokenizer.tokenise(["normalt är"]).tokens_T.tolist()


def test_reports_without_a_word_stay_empty(tokenizer_of: TokenizerOf) -> None:
    augment = TextAugmenter(TextAugmentation(synonyms=1, swap=1, delete=1, insert=1), tokenizer_of("trained"))
    for texts in ([""], ["", "Normal.", ""], [".", "..."], ["XXXX"]):
        batch = tokenizer_of("trained").tokenise(texts)
        result = augment(batch, sample_keys(0, torch.arange(len(texts)), 0))
        lengths = np.diff(result.offsets)
        assert ((lengths == 0) == (np.diff(batch.offsets) == 0)).all()


def test_a_tokenizer_without_a_start_token_gets_none() -> None:
    reports = TokenisedReports(
        np.array([7, 8, 9, 6], dtype=np.int32),
        np.zeros(4, dtype=np.int32),
        np.array([0, 1, 1, 0], dtype=np.int32),
        np.array([0, 3, 4]),
    )
    batch = text_batch(reports, SpecialIds(cls=None, sep=2, pad=0, mask=None), max_tokens=3)
    assert batch.ids_BL.tolist() == [[7, 8, 2], [6, 2, 0]]
    assert batch.mask_BL.tolist() == [[True] * 3, [True, True, False]]
    assert batch.words_BL.tolist() == [[0, 1, -1], [0, -1, -1]]
