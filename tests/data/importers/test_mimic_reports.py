"""Sections of reports in the spellings and forms of MIMIC-CXR."""

from __future__ import annotations

import time

import pytest

from radsweep.data.importers.mimic_reports import mimic_sections


@pytest.mark.parametrize(
    "header",
    ["IMPRESSION", "CONCLUSION", "IMPRESSON", "MPRESSION", "FINDINGS AND IMPRESSION", "FINDINGS/ IMPRESSION",
     "FINAL IMPRESSION"],
)  # fmt: skip
def test_spellings_of_impression(header: str) -> None:
    assert mimic_sections(f" {header}:  Clear.\n")["impression"] == "Clear."


@pytest.mark.parametrize(
    ("header", "name"),
    [("FINIDNGS", "findings"), ("CHEST, TWO VIEWS", "findings"), ("PA AND LATERAL CHEST RADIOGRAPH", "findings"),
     ("COMPARISONS", "comparison"), ("REASON FOR EXAMINATION", "indication"), ("PATIENT HISTORY", "history"),
     ("EXAM", "examination"), ("WETREAD", "wet read"), ("RECOMMENDATION(S)", "recommendations")],
)  # fmt: skip
def test_spellings_of_other_sections(header: str, name: str) -> None:
    assert mimic_sections(f" FINAL REPORT\n {header}: Text.\n")[name] == "Text."


def test_the_last_section_of_a_name_wins_and_empty_ones_do_not_count() -> None:
    report = " IMPRESSION:  First.\n \n FINDINGS:  Between.\n \n IMPRESSION:  Last.\n \n FINDINGS:  \n"
    sections = mimic_sections(report)
    assert (sections["impression"], sections["findings"]) == ("Last.", "Between.")


def test_a_title_that_looks_like_a_header_is_ignored() -> None:
    sections = mimic_sections(" CHEST, PA LATERAL:\n\n INDICATION:  Cough.\n \n IMPRESSION:  Clear.\n")
    assert "findings" not in sections
    assert (sections["indication"], sections["impression"]) == ("Cough.", "Clear.")


def test_the_line_after_a_header_belongs_to_it_whatever_it_begins_with() -> None:
    sections = mimic_sections(" IMPRESSION:\n PA AND LATERAL VIEWS: no change.\n")
    assert sections == {"impression": "PA AND LATERAL VIEWS: no change."}


def test_lower_case_before_a_colon_or_a_colon_within_a_line_is_not_a_header() -> None:
    sections = mimic_sections(" FINDINGS:  As compared: no change. NOTE: wires.\n Lungs: clear.\n")
    assert sections == {"findings": "As compared: no change. NOTE: wires.\nLungs: clear."}


def test_without_impression_and_findings_the_text_after_the_first_blank_line_is_the_last_paragraph() -> None:
    sections = mimic_sections("   FINAL REPORT\n HISTORY:  Cough.\n \n Clear lungs.\n \n No effusion.\n")
    assert sections["last_paragraph"] == "Clear lungs.\n\nNo effusion."
    assert mimic_sections(" CHEST\n \n Clear lungs.\n")["last_paragraph"] == "Clear lungs.", "no header at all"
    assert mimic_sections(" HISTORY:  Cough.\n")["last_paragraph"] == ""
    assert mimic_sections(" HISTORY:\n \n Cough.\n")["last_paragraph"] == "", "the blank line is the header's"
    assert mimic_sections("") == {"last_paragraph": ""}
    assert "last_paragraph" not in mimic_sections(" FINDINGS:  Clear.\n \n No effusion.\n")


@pytest.mark.parametrize(
    "report",
    [" " * 32_000, "\n" + " " * 32_000 + "x", "A " * 16_000, "\n" * 32_000, "A\n" * 16_000, "A:" * 16_000,
     "A" * 32_000 + "(", " \n" * 16_000, "\n" + "\t" * 32_000],
    ids=["blanks", "blanks in a line", "letters", "lines", "short lines", "colons", "no colon", "blank lines", "tabs"],
)  # fmt: skip
def test_sections_take_linear_time(report: str) -> None:
    started = time.perf_counter()
    mimic_sections(report)
    assert time.perf_counter() - started < 1, "11 s when a blank could match in two ways"
