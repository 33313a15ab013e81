from __future__ import annotations

from collections import Counter
from typing import Literal

import pytest
import torch

from radsweep.augment.masking import MaskedTexts, mask_id, mask_tokens
from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextBatch
from radsweep.data.text.tokenizer import SpecialIds
from radsweep.errors import InputError

SPECIAL = SpecialIds(cls=2, sep=3, pad=0, mask=4)
RESERVED = [0, 2, 3, 4]
V = 1000


def texts(lengths: list[int], padding: int = 0, special: SpecialIds = SPECIAL) -> TextBatch:
    """Reports of random tokens; each depends on its place in the list alone."""
    width = max(lengths) + 2 + padding
    ids = torch.full((len(lengths), width), special.pad)
    words = torch.full((len(lengths), width), -1)
    for row, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(row)
        ids[row, 0], ids[row, length + 1] = special.cls or special.sep, special.sep
        ids[row, 1 : length + 1] = torch.randint(5, V, (length,), generator=generator)
        words[row, 1 : length + 1] = torch.arange(length) // 2
    mask = torch.arange(width) < torch.tensor(lengths)[:, None] + 2
    return TextBatch(ids, mask, words)


def masked(
    text: TextBatch, part: float = 0.15, epoch: int = 0, vocabulary: int = V, unit: Literal["token", "word"] = "token"
) -> MaskedTexts:
    keys = sample_keys(0, torch.arange(len(text.ids_BL)), epoch, purpose="mlm")
    return mask_tokens(text, SPECIAL, vocabulary, part, keys, unit)


def test_the_target_is_the_token_that_stood_there_and_nothing_else_changes() -> None:
    text = texts([40, 7, 23] * 20)
    found = masked(text)
    predicted = found.target_BL >= 0
    assert torch.equal(found.target_BL[predicted], text.ids_BL[predicted])
    assert torch.equal(found.ids_BL[~predicted], text.ids_BL[~predicted])
    assert set(found.target_BL[~predicted].tolist()) == {-1}
    assert torch.equal(found.mask_BL, text.mask_BL)


@pytest.mark.parametrize(("length", "part", "predicted"), [(100, 0.15, 15), (12, 0.15, 2), (9, 0.4, 4), (60, 0.5, 30)])
def test_the_part_asked_for_is_predicted(length: int, part: float, predicted: int) -> None:
    found = masked(texts([length] * 50), part)
    assert (found.target_BL >= 0).sum(dim=1).tolist() == [predicted] * 50


def test_a_short_report_has_one_token_predicted_and_an_empty_one_none() -> None:
    found = masked(texts([1, 2, 3, 0, 5]))
    assert (found.target_BL >= 0).sum(dim=1).tolist() == [1, 1, 1, 0, 1]


def test_every_token_has_its_chance() -> None:
    found = masked(texts([20] * 2000))
    counts = (found.target_BL >= 0).sum(dim=0)[1:21]  # 300 expected, deviation 16
    assert 230 < int(counts.min()) <= int(counts.max()) < 370


@pytest.mark.parametrize(
    "special",
    [SPECIAL, SpecialIds(cls=1, sep=0, pad=0, mask=7), SpecialIds(cls=None, sep=1, pad=5, mask=11)],
    ids=["bert", "sep pads", "no start"],
)
def test_special_tokens_are_never_predicted_nor_drawn(special: SpecialIds) -> None:
    text = texts([40, 3, 17] * 60, padding=5, special=special)
    text.ids_BL[0, 1:20] = special.mask  # as a text may contain them
    text.ids_BL[1, 1:3] = special.sep
    keys = sample_keys(0, torch.arange(len(text.ids_BL)), 0)
    found = mask_tokens(text, special, 12, 0.9, keys)  # few ids, so that every one is drawn
    predicted = found.target_BL >= 0
    reserved = torch.tensor([number for number in special if number is not None])
    assert not torch.isin(found.target_BL[predicted], reserved).any()
    drawn = predicted & (found.ids_BL != special.mask) & (found.ids_BL != found.target_BL)
    assert set(found.ids_BL[drawn].tolist()) == set(range(12)) - set(reserved.tolist())


def test_eight_of_ten_are_masked_one_is_another_token_and_one_stays() -> None:
    found = masked(texts([100] * 400))
    predicted = found.target_BL >= 0
    ids, targets = found.ids_BL[predicted], found.target_BL[predicted]
    total = len(ids)
    assert total == 6000
    assert (ids == SPECIAL.mask).sum() / total == pytest.approx(0.8, abs=0.02)
    assert (ids == targets).sum() / total == pytest.approx(0.1, abs=0.015)
    drawn = Counter(ids[(ids != SPECIAL.mask) & (ids != targets)].tolist())
    assert sum(drawn.values()) / total == pytest.approx(0.1, abs=0.015)
    assert max(drawn.values()) < 8
    assert not set(drawn) & set(RESERVED)


def test_a_report_is_masked_alike_in_any_batch_and_padding_and_newly_in_each_epoch() -> None:
    lengths = [5, 40, 1, 0, 23, 12]
    text = texts(lengths)
    whole, padded = masked(text), masked(texts(lengths, padding=9))
    keys = sample_keys(0, torch.arange(len(lengths)), 0, purpose="mlm")
    for row, length in enumerate(lengths):
        alone = TextBatch(*(field[row : row + 1, : length + 2] for field in text))
        found = mask_tokens(alone, SPECIAL, V, 0.15, keys[row : row + 1])
        for field, expected, wider in zip(found, whole, padded, strict=True):
            assert torch.equal(field[0], expected[row, : length + 2])
            assert torch.equal(field[0], wider[row, : length + 2])
    assert (padded.target_BL[:, 42:] == -1).all()
    assert not torch.equal(masked(text, epoch=1).target_BL, whole.target_BL)


def pieces(sizes: list[list[int]]) -> TextBatch:
    """Reports of words of these numbers of tokens."""
    text = texts([sum(words) for words in sizes])
    for row, words in enumerate(sizes):
        numbers = [number for number, size in enumerate(words) for _ in range(size)]
        text.words_BL[row, 1 : len(numbers) + 1] = torch.tensor(numbers, dtype=torch.int64)
    return text


def test_whole_words_are_predicted_or_not_at_all() -> None:
    text = pieces([[1, 3, 2, 1, 4, 1, 2, 2, 1, 3]] * 300)
    found = masked(text, 0.3, unit="word")
    predicted = found.target_BL >= 0
    for row in range(300):
        chosen = set(text.words_BL[row][predicted[row]].tolist())
        of_chosen = torch.tensor([word in chosen for word in text.words_BL[row].tolist()])
        assert torch.equal(predicted[row], of_chosen)
    assert (predicted.sum(dim=1) <= 6).all(), "as many tokens as are asked for, of 20"
    assert predicted.sum(dim=1).double().mean() > 5.8
    by_word = torch.stack([predicted[:, text.words_BL[0] == word].all(dim=1).sum() for word in range(10)])
    assert by_word.min() > 30, "every word has its chance, long ones too"
    tokens = masked(text, 0.3)
    assert not torch.equal(tokens.target_BL, found.target_BL)


def test_whole_words_are_chosen_as_bert_chooses_them() -> None:
    """create_pretraining_data.py: in random order, and passed over where they would exceed the number."""
    from radsweep.augment.random import subkeys, uniform

    sizes = [[2, 3, 1, 4], [5], [1, 1, 1], [3, 3, 3], []]
    found = masked(pieces(sizes), 0.4, unit="word").target_BL >= 0
    keys = sample_keys(0, torch.arange(len(sizes)), 0, purpose="mlm")
    draws = uniform(subkeys(keys, "masked word"), 4)
    for row, words in enumerate(sizes):
        wanted, chosen = max(1, round(0.4 * sum(words))), []
        order = sorted(range(len(words)), key=lambda word: float(draws[row, word]))
        for word in order:
            if sum(words[other] for other in chosen) + words[word] <= wanted:
                chosen.append(word)
        if words and not chosen:  # BERT's code would predict nothing of such a report
            chosen = order[:1]
        expected = [word in chosen for word, size in enumerate(words) for _ in range(size)]
        assert found[row, 1 : len(expected) + 1].tolist() == expected
        assert not found[row, len(expected) + 1 :].any()


def test_whole_words_are_masked_alike_in_any_batch() -> None:
    sizes = [[1, 3, 2], [2] * 9, [4]]
    text, keys = pieces(sizes), sample_keys(0, torch.arange(3), 0, purpose="mlm")
    whole = masked(text, 0.3, unit="word")
    for row, words in enumerate(sizes):
        alone = TextBatch(*(field[row : row + 1, : sum(words) + 2] for field in text))
        found = mask_tokens(alone, SPECIAL, V, 0.3, keys[row : row + 1], "word")
        assert torch.equal(found.target_BL[0], whole.target_BL[row, : sum(words) + 2])


def test_a_tokenizer_without_a_mask_token_is_refused() -> None:
    special = SPECIAL._replace(mask=None)
    with pytest.raises(InputError, match=r"model\.text\.backbone has none"):
        mask_tokens(texts([4]), special, V, 0.15, torch.zeros(1, dtype=torch.int64))
    assert mask_id(SPECIAL) == 4
