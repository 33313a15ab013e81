from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextAugmenter, text_batch
from radsweep.config.augmentation import TextAugmentation
from radsweep.config.model import TextTower, Truncation
from radsweep.data.importers.toolkit.sections import SectionChooser
from radsweep.data.packing.rows import PLACEHOLDERS
from radsweep.data.text.tokenizer import (
    NO_IMPRESSION,
    ReportTokenizer,
    SpecialIds,
    TokenisedReports,
    load_tokenizer,
    train_tokenizer,
)
from radsweep.data.text.truncation import count_cuts, cut_notes, room, truncated

IU_XRAY = Path(__file__).resolve().parents[4] / "shared/data/iu_xray/indiana_reports.csv"
FINDINGS = "the heart is normal in size and the lungs are clear"  # 11 tokens, as all words are known
IMPRESSION = "no acute disease"
TEXTS = (f"{FINDINGS}\n\n{IMPRESSION}", FINDINGS, f"heart\n\n{IMPRESSION}", f"lungs\n\n{FINDINGS}")
KINDS: tuple[Truncation, ...] = ("head", "tail", "impression_first")


@pytest.fixture(scope="module")
def tokenizer() -> ReportTokenizer:
    return load_tokenizer(train_tokenizer([(str(n), text) for n in range(5) for text in TEXTS], 200))


def kept(words: Sequence[str], impression: int | None, most: int, truncation: Truncation) -> list[str]:
    """The rule, word by word."""
    if truncation == "tail":
        return list(words[-most:])
    first = list(range(len(words)))
    if truncation == "impression_first" and impression is not None:
        first = [*range(impression, len(words)), *range(impression)]
    return [words[place] for place in sorted(first[:most])]


@pytest.mark.parametrize("truncation", KINDS)
@pytest.mark.parametrize("cls", [None, 2])
@pytest.mark.parametrize("max_tokens", [8, 10, 13, 40])
def test_what_is_kept_of_a_cut_report_is_what_the_setting_says(
    tokenizer: ReportTokenizer, truncation: Truncation, cls: int | None, max_tokens: int
) -> None:
    special = tokenizer.special._replace(cls=cls)
    batch = text_batch(tokenizer.tokenise(TEXTS, joined=True), special, max_tokens, truncation)
    for row, text in enumerate(TEXTS):
        findings, _, impression = text.partition("\n\n")
        expected = kept(
            text.split(), len(findings.split()) if impression else None, room(special, max_tokens), truncation
        )
        ids = batch.ids_BL[row][batch.mask_BL[row]].tolist()
        own = ids[0 if cls is None else 1 : -1]
        assert tokenizer.backend.decode(own).split() == expected
        assert ids[-1] == special.sep
        assert cls is None or ids[0] == cls
        words = batch.words_BL[row][batch.mask_BL[row]].tolist()
        assert words == [*([] if cls is None else [-1]), *range(len(own)), -1]


def test_a_report_that_fits_is_never_changed(tokenizer: ReportTokenizer) -> None:
    reports = tokenizer.tokenise(TEXTS, joined=True)
    for truncation in KINDS:
        assert truncated(reports, 14, truncation) is reports


def test_an_impression_longer_than_the_room_keeps_its_beginning(tokenizer: ReportTokenizer) -> None:
    reports = truncated(tokenizer.tokenise([TEXTS[3]], joined=True), 5, "impression_first")
    assert tokenizer.backend.decode(reports.tokens_T.tolist()).split() == FINDINGS.split()[:5]


@pytest.mark.parametrize("settings", [{"sentences": "shuffle"}, {"sentences": "sample"}, {"delete": 0.3, "swap": 0.3}])
def test_the_impression_is_kept_after_augmentation_too(tokenizer: ReportTokenizer, settings: dict[str, object]) -> None:
    text = f"the heart is normal. the lungs are clear. the heart is clear.\n\n{IMPRESSION}"
    reports = tokenizer.tokenise([text] * 50, joined=True)
    augmenter = TextAugmenter(TextAugmentation.model_validate(settings), tokenizer)
    whole = augmenter(reports, sample_keys(0, torch.arange(50), 0))
    cut = truncated(whole, 5, "impression_first")
    disease = tokenizer.tokenise(["disease"]).tokens_T[0]
    before, after = ([disease in part for part in np.split(each.tokens_T, each.offsets[1:-1])] for each in (whole, cut))
    assert before == after
    assert sum(after) >= 20
    assert np.diff(cut.offsets).max() == 5
    if settings == {"sentences": "shuffle"}:
        lost = truncated(whole, 5, "head")
        assert not all(disease in part for part in np.split(lost.tokens_T, lost.offsets[1:-1]))


def test_where_the_impression_is_not_known_the_head_is_kept(tokenizer: ReportTokenizer) -> None:
    unknown = tokenizer.tokenise(TEXTS)
    assert unknown.impression_N is not None
    assert unknown.impression_N.tolist() == [NO_IMPRESSION] * 4
    for reports in (unknown, unknown._replace(impression_N=None)):
        first, head = (truncated(reports, 5, truncation) for truncation in ("impression_first", "head"))
        assert all(np.array_equal(one, other) for one, other in zip(first[:4], head[:4], strict=True))


def test_row_8_cut_reports_and_lost_impressions_are_counted(tokenizer: ReportTokenizer) -> None:
    """By hand: of 14, 11, 4 and 12 tokens, three are longer than 8; at 8 the first loses its impression at token 11."""
    reports = tokenizer.tokenise(TEXTS, joined=True)
    assert [vars(count_cuts([reports], 8, truncation)) for truncation in KINDS] == [
        {"reports": 4, "cut": 3, "impressions": 3, "lost": lost} for lost in (1, 0, 0)
    ]
    assert vars(count_cuts([reports, reports], 12, "head")) == {"reports": 8, "cut": 2, "impressions": 6, "lost": 0}
    assert count_cuts([tokenizer.tokenise(TEXTS)], 8, "head").text == "3 of 4 reports are cut"


def test_a_note_names_the_tokenizer_the_length_and_what_is_kept(tokenizer: ReportTokenizer) -> None:
    reports = tokenizer.tokenise(TEXTS, joined=True)
    special = SpecialIds(cls=2, sep=3, pad=0, mask=None)
    assert cut_notes(TextTower(max_tokens=10, backbone="/models/clip", weights="pretrained"), special, [reports]) == [
        "With clip, 3 of 4 reports are cut, and 1 lose their whole impression at 10 tokens "
        "(model.text.truncation: head)."
    ]
    assert cut_notes(TextTower(max_tokens=40), special, [reports]) == []
    (note,) = cut_notes(TextTower(max_tokens=10, truncation="impression_first"), special, [tokenizer.tokenise(TEXTS)])
    assert note.endswith("(model.text.truncation: head, since no report shows where its impression begins).")


def test_rows_are_taken_with_their_impressions(tokenizer: ReportTokenizer) -> None:
    reports: TokenisedReports = tokenizer.tokenise(TEXTS, joined=True)
    assert reports.impression_N is not None
    assert reports.impression_N.tolist() == [1, NO_IMPRESSION, 1, 1]
    assert reports.take(np.array([2, 1])).impression_N.tolist() == [1, NO_IMPRESSION]  # type: ignore[union-attr]


@pytest.mark.skipif(not IU_XRAY.is_file(), reason="the real reports of shared/data/iu_xray are not here")
def test_row_8_over_all_reports_of_open_i() -> None:
    """At 77 tokens 369 of 3,087 reports are cut and 119 lose their whole impression: counted section by section."""
    with IU_XRAY.open(encoding="utf-8", newline="") as file:
        rows = [{name: row[name].strip() for name in ("uid", "findings", "impression")} for row in csv.DictReader(file)]
    chooser = SectionChooser(("findings+impression",), PLACEHOLDERS)
    reports = [(row["uid"], text, row) for row in rows if (text := chooser.choose(row))]
    tokenizer = load_tokenizer(train_tokenizer([(uid, text) for uid, text, _ in reports], 8000))
    tokenised = tokenizer.tokenise([text for _, text, _ in reports], joined=True)

    def tokens(text: str) -> int:
        return len(tokenizer.backend.encode(text, add_special_tokens=False).ids)

    both = [(tokens(row["findings"]), text) for _, text, row in reports if "\n\n" in text]
    most = room(tokenizer.special, 77)
    cuts = count_cuts([tokenised], most, "head")
    assert cuts.cut == sum(tokens(text) > most for _, text, _ in reports) == 369
    assert cuts.lost == sum(findings >= most for findings, _ in both) == 119
    assert (cuts.reports, cuts.impressions) == (3087, len(both))
    for truncation in ("tail", "impression_first"):
        assert count_cuts([tokenised], most, truncation).lost == 0
    kept = truncated(tokenised, most, "impression_first")
    assert np.diff(kept.offsets).max() == most
