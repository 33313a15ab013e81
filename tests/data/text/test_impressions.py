from __future__ import annotations

import pytest

from radsweep.data.importers.toolkit.sections import SectionChooser
from radsweep.data.text.impressions import check_impressions, end_with_impression, impression_start, sections_of
from radsweep.data.text.sentences import sentence_starts
from radsweep.errors import InputError

JOINED = ("findings+impression",)


@pytest.mark.parametrize(
    "report",
    [
        "Findings: clear lungs.\nImpression: normal.",
        "FINDINGS: Clear lungs. IMPRESSION: Normal.",
        "Clear lungs.\n  CONCLUSION : Normal.",
        "Clear lungs.\nimpressions:\nNormal.",
    ],
)
@pytest.mark.parametrize("joined", [False, True])
def test_a_header_shows_where_the_impression_begins(report: str, joined: bool) -> None:
    start = impression_start(report, joined)
    assert start is not None
    assert report[start:].strip().lower().startswith(("impression", "conclusion"))


@pytest.mark.parametrize(
    "report", ["Clear lungs.", "My impression: is not a header.", "Clear.\n\nNormal.", "The impression of the heart."]
)
def test_without_a_header_or_sections_nothing_shows_it(report: str) -> None:
    assert impression_start(report, joined=False) is None


def test_packing_joins_sections_so_that_the_impression_can_be_found() -> None:
    chooser = SectionChooser(JOINED, ())
    report = chooser.choose(
        {"findings": "Clear lungs.\n\nNo effusion\n \nHeart", "impression": "Normal.\n\n\nNo change."}
    )
    start = impression_start(report, joined=True)
    assert start is not None
    assert report[start:].split() == ["Normal.", "No", "change."]
    alone = chooser.choose({"findings": "Clear lungs.\n\nNo effusion.", "impression": ""})
    assert impression_start(alone, joined=True) is None
    for text in (report, alone):  # a blank line still ends a sentence
        assert [text[cut:].split()[0] for cut in sentence_starts(text)][:2] == ["Clear", "No"]


def test_a_header_within_the_impression_is_a_part_of_it() -> None:
    report = "Clear lungs.\n\nNo change.\nConclusion: normal."
    assert impression_start(report, joined=True) == report.index("No change")
    assert impression_start(report, joined=False) == report.index("Conclusion")


def test_one_section_is_packed_as_it_stands() -> None:
    text = "Clear lungs.\n\nNo effusion."
    assert SectionChooser(("impression", "findings"), ()).choose({"findings": text}) == text


def test_a_manifest_says_whether_sections_were_joined() -> None:
    assert end_with_impression(sections_of({"sections": "findings+impression, last_paragraph"}))
    assert not end_with_impression(sections_of({"sections": "impression, findings"}))
    assert not end_with_impression(sections_of({"sections": "impression+findings"}))
    assert not end_with_impression(sections_of({}))


def test_reports_that_show_their_impression_pass() -> None:
    check_impressions("mine", ["Clear.\n\nNormal.", "Clear."], JOINED)
    check_impressions("mine", ["Clear.", "Clear. IMPRESSION: normal."], ())


@pytest.mark.parametrize(
    ("reports", "sections", "reason"),
    [
        (["Clear.", "No effusion.\n\nHeart normal."], (), "the reports of mine have no sections, and have no header"),
        (["Clear."], ("impression", "findings"), "were packed with --sections impression, findings"),
        (["A.\n\nB.\n\nC."], JOINED, "1 reports of mine have blank lines within a section"),
    ],
)
def test_impression_first_is_refused_where_the_impression_is_not_known(
    reports: list[str], sections: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as error:
        check_impressions("mine", reports, sections)
    assert str(error.value).startswith("model.text.truncation: ")
