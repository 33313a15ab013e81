"""Missing values: what software and people write for an id that is not there."""

from __future__ import annotations

import pytest

from radsweep.data.packing.missing import is_missing, is_null
from radsweep.data.packing.rows import PLACEHOLDERS, report_fault


@pytest.mark.parametrize("text", ["", " ", "nan", "NaN", "None", "NULL", "<NA>", "#N/A", "\\N", "NaT", "n/a", "#REF!"])
def test_nulls_of_software_are_missing_everywhere(text: str) -> None:
    assert is_null(text)
    assert is_missing(text)
    assert report_fault(text, PLACEHOLDERS)


@pytest.mark.parametrize("text", ["unknown", "Missing", "-", "--", "?", "...", "xxxx"])
def test_words_and_signs_are_never_ids_but_may_be_classes(text: str) -> None:
    assert is_missing(text)
    assert not is_null(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan1", "Nina", "none-7", "病人", "N", "NAN002"])
def test_ids_are_kept(text: str) -> None:
    assert not is_missing(text)


@pytest.mark.parametrize(
    "text",
    [
        "Normal.",
        "None seen.",
        "No data on prior studies; clear.",
        "XXXX-year-old with cough.",
        "Unknown lesion.",
        "x-ray",
    ],
)
def test_short_reports_are_reports(text: str) -> None:
    assert not report_fault(text, PLACEHOLDERS)
