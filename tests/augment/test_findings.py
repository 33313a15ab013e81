"""Row 9: no word operation takes a finding's name away, in any inflection that the list holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch

from radsweep.augment.findings import Findings
from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextAugmenter
from radsweep.augment.words import load_words
from radsweep.config.augmentation import TextAugmentation
from radsweep.data.text.tokenizer import ReportTokenizer

OPERATIONS = ("synonyms", "swap", "delete", "insert")
TokenizerOf = Callable[[str], ReportTokenizer]


def outcomes(tokenizer: ReportTokenizer, text: str, **settings: object) -> set[str]:
    """The results for 60 reports that read alike."""
    reports = tokenizer.tokenise([text] * 60)
    augment = TextAugmenter(TextAugmentation.model_validate(settings), tokenizer)
    result = augment(reports, sample_keys(3, torch.arange(60), 0))
    bounds = zip(result.offsets[:-1], result.offsets[1:], strict=True)
    return {tokenizer.backend.decode(result.tokens_T[first:end].tolist()) for first, end in bounds}


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("pleural effusion", "pleural effusion"),
        ("small bilateral effusions", "pleural effusion"),
        ("pneumothorax", "pneumothorax"),
        ("pneumothoraces", "pneumothorax"),
        ("enlarged heart", "enlarged heart"),
        ("the heart is mildly to moderately enlarged", "enlarged heart"),
        ("cardiomegaly", "enlarged heart"),
        ("atelectatic lung", "atelectasis"),
        ("fibrotic bands", "fibrosis"),
        ("emphysematous lungs", "emphysema"),
        ("a nodular shadow", "nodule"),
        ("calcified", "calcification"),
        ("tortuosity of the aorta", "tortuous aorta"),
        ("the aorta is tortuous", "tortuous aorta"),
        ("fractured rib", "fracture"),
        ("consolidated lobe", "consolidation"),
        ("scoliotic spine", "scoliosis"),
        ("edematous lungs", "edema"),
        ("metastases", "metastasis"),
        ("osteopenic bones", "osteopenia"),
        ("elevation of the right hemidiaphragm", "raised hemidiaphragm"),
        ("two chest tubes", "tube"),
    ],
)
def test_findings_are_known_in_every_inflection(text: str, finding: str) -> None:
    assert finding in load_words("english").findings.of(text.split())


@pytest.mark.parametrize(
    "text", ["heart", "the heart is normal in size", "enlarged thyroid", "pneumo", "lungs are clear"]
)
def test_other_words_name_none(text: str) -> None:
    assert load_words("english").findings.of(text.split()) == frozenset()


def test_a_longer_name_counts_in_place_of_its_parts() -> None:
    english = load_words("english").findings
    assert english.of(["pericardial", "effusion"]) == {"pericardial effusion"}
    assert english.of(["subcutaneous", "emphysema"]) == {"subcutaneous emphysema"}
    assert english.of(["nodular", "opacities"]) == {"nodule"}


def test_a_gap_ends_with_the_sentence_and_after_five_words() -> None:
    findings = Findings({("heart", "...", "enlarged"): "enlarged heart"})
    assert [named.places for named in findings.find(["heart", "a", "b", "c", "d", "e", "enlarged"])] == [(0, 6)]
    assert findings.find(["heart", "a", "b", "c", "d", "e", "f", "enlarged"]) == []
    assert [named.places for named in findings.find(["heart", "enlarged"])] == [(0, 1)]


@pytest.mark.parametrize("kind", ["trained", "wordpiece", "byte-level", "clip"])
@pytest.mark.parametrize(("operation", "part"), list(product(("swap", "delete", "insert"), (0.1, 1.0))))
def test_row_9_no_operation_takes_a_finding_away(
    kind: str, operation: str, part: float, tokenizer_of: TokenizerOf
) -> None:
    tokenizer = tokenizer_of(kind)
    text = "the lungs show pleural effusions and an enlarged heart with pneumothorax in the chest"
    for result in outcomes(tokenizer, text, **{operation: part}):
        assert all(name in result for name in ("pleural effusions", "enlarged heart", "pneumothorax"))


def test_row_9_a_finding_is_only_replaced_by_a_synonym_of_the_same_finding(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("trained")
    findings = load_words("english").findings
    for text in ("an enlarged heart", "pleural effusion", "pneumothorax", "osteophytes", "rib fractures"):
        found = outcomes(tokenizer, text, synonyms=1.0)
        assert len(found) >= 1
        assert {findings.of(result.split()) for result in found} == {findings.of(text.split())}


def test_row_9_a_part_of_a_findings_name_has_no_synonyms(tokenizer_of: TokenizerOf) -> None:
    """`heart size` may become `cardiac size`, but not within `heart size is mildly enlarged`."""
    tokenizer = tokenizer_of("trained")
    assert "cardiac size" in " ".join(outcomes(tokenizer, "the heart size is normal", synonyms=1.0))
    assert outcomes(tokenizer, "heart size is mildly enlarged", synonyms=1.0) == {"heart size is mildly enlarged"}


def test_findings_of_ones_own_are_added_to_those_that_ship(tokenizer_of: TokenizerOf, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "extends: english\nfindings: {spine shadow: [spine sha*, thoracic ... lung], pneumothorax: [ptx]}\n"
        "held: {normality: [chest]}\nsynonyms: [[ptx, pneumothorax air]]\n"
    )
    words = load_words(str(tmp_path / "mine.yaml"))
    shipped = load_words("english")
    assert words.protected == shipped.protected
    assert words.held == shipped.held | {("chest",)}
    assert len(words.synonyms) == len(shipped.synonyms) + 1
    assert words.findings.of(["ptx"]) == {"pneumothorax"}
    assert words.findings.of(["a", "spine", "shape", "and", "effusion"]) == {"spine shadow", "pleural effusion"}
    text = "the thoracic spine and lung bones bones"
    tokenizer = tokenizer_of("trained")
    assert any("thoracic" not in result for result in outcomes(tokenizer, text, delete=0.5))
    own = outcomes(tokenizer, text, delete=0.5, words=str(tmp_path / "mine.yaml"))
    assert all("thoracic" in result and "lung" in result for result in own)
