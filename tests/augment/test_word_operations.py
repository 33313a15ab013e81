from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextAugmenter
from radsweep.config.augmentation import TextAugmentation
from radsweep.data.text.tokenizer import ReportTokenizer, TokenisedReports
from support.plain_words import PlainWords

OPERATIONS = ("synonyms", "swap", "delete", "insert")
KINDS = ("trained", "wordpiece", "byte-level", "clip")
TokenizerOf = Callable[[str], ReportTokenizer]


def augmenter(tokenizer: ReportTokenizer, **settings: float) -> Callable[..., TokenisedReports]:
    """augmenter(...)(reports, epoch): one that is built once."""
    built = TextAugmenter(TextAugmentation(**settings), tokenizer)  # type: ignore[arg-type]

    def augment(reports: TokenisedReports, epoch: int = 0) -> TokenisedReports:
        return built(reports, sample_keys(3, torch.arange(len(reports.offsets) - 1), epoch))

    return augment


def augmented(tokenizer: ReportTokenizer, reports: TokenisedReports, **settings: float) -> TokenisedReports:
    return augmenter(tokenizer, **settings)(reports)


def rows(reports: TokenisedReports) -> list[list[int]]:
    return [part.tolist() for part in np.split(reports.tokens_T, reports.offsets[1:-1])]


def outcomes(tokenizer: ReportTokenizer, text: str, **settings: float) -> set[str]:
    """What becomes of 40 reports that read alike."""
    result = augmented(tokenizer, tokenizer.tokenise([text] * 40), **settings)
    return {tokenizer.backend.decode(row) for row in rows(result)}


@pytest.mark.parametrize("part", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_can_change_does_and_what_is_protected_does_not(
    kind: str, operation: str, part: float, tokenizer_of: TokenizerOf, texts: tuple[str, ...]
) -> None:
    tokenizer = tokenizer_of(kind)
    plain, batch = PlainWords(tokenizer), tokenizer.tokenise(texts)
    before = plain.read(batch)
    can = [plain.can_change(words, operation) for words in before]
    assert sum(can) >= 5
    assert not can[-1]
    augment = augmenter(tokenizer, **{operation: part})
    for epoch in range(10):
        result = augment(batch, epoch)
        after = plain.read(result)
        assert [one != other for one, other in zip(rows(batch), rows(result), strict=True)] == can
        assert [plain.faults(old, new, operation) for old, new in zip(before, after, strict=True)] == [[]] * len(texts)


@pytest.mark.parametrize("kind", KINDS)
def test_all_operations_together_keep_what_is_protected(
    kind: str, tokenizer_of: TokenizerOf, texts: tuple[str, ...]
) -> None:
    tokenizer = tokenizer_of(kind)
    plain, batch = PlainWords(tokenizer), tokenizer.tokenise(texts)
    for part in (0.1, 1.0):
        result = augmented(tokenizer, batch, synonyms=part, swap=part, delete=part, insert=part)
        for old, new in zip(plain.read(batch), plain.read(result), strict=True):
            assert plain.faults(old, new, "all") == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_numbered_as_if_it_had_been_tokenised(
    kind: str, tokenizer_of: TokenizerOf, texts: tuple[str, ...]
) -> None:
    tokenizer = tokenizer_of(kind)
    batch = tokenizer.tokenise(texts)
    result = augmented(tokenizer, batch, synonyms=0.3, swap=0.3, delete=0.3, insert=0.3)
    assert [column.dtype for column in result] == [column.dtype for column in batch]
    assert len(result.offsets) == len(batch.offsets)
    assert result.offsets[-1] == len(result.tokens_T) == len(result.words_T) == len(result.sentences_T)
    for number, (first, end) in enumerate(pairwise(result.offsets.tolist())):
        words, sentences = result.words_T[first:end].tolist(), result.sentences_T[first:end].tolist()
        assert words == sorted(words)
        assert set(words) == set(range(len(set(words))))
        original = slice(*batch.offsets[number : number + 2].tolist())
        assert list(dict.fromkeys(sentences)) == list(dict.fromkeys(batch.sentences_T[original].tolist()))


@pytest.mark.parametrize("kind", ["trained", "clip"])
def test_moved_and_new_words_are_written_as_within_a_sentence(
    kind: str, tokenizer_of: TokenizerOf, texts: tuple[str, ...]
) -> None:
    """Each word of the result has the tokens that the whole text, tokenised, would have."""
    tokenizer = tokenizer_of(kind)
    result = augmented(tokenizer, tokenizer.tokenise(texts), synonyms=0.5, swap=0.5, insert=0.5)
    for row in rows(result):
        assert tokenizer.tokenise([tokenizer.backend.decode(row)]).tokens_T.tolist() == row


def test_a_byte_level_text_reads_on_after_words_moved(tokenizer_of: TokenizerOf, texts: tuple[str, ...]) -> None:
    tokenizer = tokenizer_of("byte-level")
    batch = tokenizer.tokenise(texts)
    result = augmented(tokenizer, batch, synonyms=0.5, swap=0.5, delete=0.3, insert=0.5)
    known = {
        word for group in PlainWords(tokenizer).group_of.values() for text in group for word in text.lower().split()
    }
    known |= {word.strip("().,:").lower() for text in texts for word in text.split()}
    decoded = [tokenizer.backend.decode(row) for row in rows(result)]
    assert {word.strip("().,:").lower() for text in decoded for word in text.split()} <= known


def test_synonyms_keep_the_case_of_what_they_replace(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("wordpiece")
    assert outcomes(tokenizer, "Basal opacity", synonyms=1) == {"Basilar opacification"}
    assert outcomes(tokenizer, "Tip in the SVC", synonyms=1) == {"Tip in the superior vena cava"}


def test_the_longest_phrase_is_replaced_and_its_parts_are_not(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    assert outcomes(tokenizer, "chest tube", synonyms=1) == {"thoracostomy tube", "chest drain", "thoracic drain"}
    assert outcomes(tokenizer, "heart size is within normal limits", synonyms=1) == {
        f"{size} is {normal}" for size in ("cardiac size", "size of the heart") for normal in ("normal", "unremarkable")
    }
    assert outcomes(tokenizer, "upper limits of normal", synonyms=1) == {"upper limits of normal"}


def test_a_held_word_is_replaced_but_neither_moved_nor_deleted(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    assert outcomes(tokenizer, "stable heart", synonyms=1) == {"unchanged heart"}
    assert outcomes(tokenizer, "the lungs are stable", swap=1, delete=1) <= {
        f"{word} stable" for word in ("the", "lungs", "are")
    }


def test_no_word_crosses_a_negation_a_side_or_a_conjunction(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    text = "lungs no effusion and right opacity but pneumothorax"
    assert outcomes(tokenizer, text, swap=1) == {text}
    assert outcomes(tokenizer, "no chest wall and right opacity", swap=1) == {"no wall chest and right opacity"}
    assert outcomes(tokenizer, "lungs. effusion", swap=1) == {"lungs. effusion"}


def test_a_stretch_keeps_a_word_so_a_negation_is_never_left_alone(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    assert outcomes(tokenizer, "no chest wall, mildly thoracic spine", delete=1) == {
        f"no {one}, mildly {other}" for one in ("chest", "wall") for other in ("thoracic", "spine")
    }


def test_joined_words_and_headers_stay(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    for text in ("t - spine", "osteophytes / granulomas", "heart and lungs : xxxx"):
        assert outcomes(tokenizer, text, synonyms=1, swap=1, delete=1, insert=1) == {text}


def test_operations_act_at_the_rate_asked_for(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    text = " ".join(
        f"{word} no" for word in ["osseous perihilar"] * 50
    )  # 150 words, 100 of them free, each with synonyms
    batch = tokenizer.tokenise([text] * 40)
    plain = PlainWords(tokenizer)
    words = plain.read(batch)[0]
    settings = {name: plain.read(augmented(tokenizer, batch, **{name: 0.2})) for name in OPERATIONS}
    for after in settings["swap"]:  # 30 words change places: 15 pairs
        assert sum(old.tokens != new.tokens for old, new in zip(words, after, strict=True)) == 30
    deleted = [len(words) - len(after) for after in settings["delete"]]
    # Of each pair one goes with probability 1 - 0.8^2, and never both: 18 of 50.
    assert np.mean(deleted) == pytest.approx(18, abs=1.5)
    for after in settings["insert"]:
        fresh = Counter(word.text for word in after) - Counter(word.text for word in words)
        assert fresh["bony"] + fresh["skeletal"] + fresh["parahilar"] == 30
    for after in settings["synonyms"]:
        left = Counter(word.text for word in after)
        assert 100 - left["osseous"] - left["perihilar"] == 30


def test_every_alternative_and_every_word_gets_its_turn(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    assert outcomes(tokenizer, "osseous lungs xxxx spine", delete=0.01) == {"lungs xxxx spine", "osseous xxxx spine"}
    assert outcomes(tokenizer, "osseous xxxx", insert=0.01) == {
        "osseous bony xxxx", "bony osseous xxxx", "osseous skeletal xxxx", "skeletal osseous xxxx",
    }  # fmt: skip
    assert len(outcomes(tokenizer, "the heart spine lungs", swap=0.01)) == 6
    assert "lungs lungs spine" not in outcomes(tokenizer, "lungs lungs spine", swap=0.01)  # equal words are not a pair
