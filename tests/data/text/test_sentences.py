from __future__ import annotations

import csv
import time
from itertools import pairwise
from pathlib import Path

import pytest

from radsweep.data.text.sentences import sentence_starts

OPENI = Path(__file__).resolve().parents[4] / "shared/data/openi/indiana_reports.csv"


def sentences(report: str) -> list[str]:
    starts = [*sentence_starts(report), len(report)]
    return [report[start:end].strip() for start, end in pairwise(starts)]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("No effusion. Heart normal.", ["No effusion.", "Heart normal."]),
        ("no effusion. heart size normal. ", ["no effusion.", "heart size normal."]),
        ("Nodule of 2.5 cm. Stable.", ["Nodule of 2.5 cm.", "Stable."]),
        ("Discussed with Dr. XXXX at 5 p.m. by phone.", ["Discussed with Dr. XXXX at 5 p.m. by phone."]),
        ("Called at 5 p.m. No change.", ["Called at 5 p.m.", "No change."]),
        ("Scarring, e.g. of old disease. Clear.", ["Scarring, e.g. of old disease.", "Clear."]),
        ("Read by J. Smith. Clear.", ["Read by J. Smith.", "Clear."]),
        ("Compared with ___. No change.", ["Compared with ___.", "No change."]),
        ("XXXX unremarkable. No XXXX. .", ["XXXX unremarkable.", "No XXXX. ."]),
        ("1. No disease. 2. Stable nodule.", ["1. No disease.", "2. Stable nodule."]),
        ("Clear.\n2) Stable\n- Tube in place", ["Clear.", "2) Stable", "- Tube in place"]),
        ("IMPRESSION: 1. Clear. 2. Stable.", ["IMPRESSION: 1. Clear.", "2. Stable."]),
        ("FINDINGS: Lungs clear\nIMPRESSION: Normal", ["FINDINGS: Lungs clear", "IMPRESSION: Normal"]),
        ("Findings:\nClear.\nImpression:\nNormal.", ["Findings:\nClear.", "Impression:\nNormal."]),
        ("The heart is\nnormal. Lungs\nclear.", ["The heart is\nnormal.", "Lungs\nclear."]),
        ("Lungs clear\n\nHeart normal", ["Lungs clear", "Heart normal"]),
        ("Clear lungs.No effusion.", ["Clear lungs.", "No effusion."]),
        ("Pneumothorax? Possibly! Repeat.", ["Pneumothorax?", "Possibly!", "Repeat."]),
        ("", [""]),
        (" . ", ["."]),
    ],
)
def test_reports_are_cut_where_a_reader_would_cut_them(report: str, expected: list[str]) -> None:
    assert sentences(report) == expected


@pytest.mark.skipif(not OPENI.is_file(), reason="the real reports of shared/data/openi are not available")
def test_real_reports_fall_into_sentences_of_sensible_length() -> None:
    with OPENI.open(encoding="utf-8") as file:
        reports = [f"FINDINGS: {row['findings']}\nIMPRESSION: {row['impression']}" for row in csv.DictReader(file)]
    parts = [sentences(report) for report in reports]
    everything = [sentence for report in parts for sentence in report]
    for found, report in zip(parts, reports, strict=True):
        assert "".join("".join(found).split()) == "".join(report.split())
    assert 4 < len(everything) / len(reports) < 8
    lengths = sorted(len(sentence.split()) for sentence in everything)
    assert 5 <= lengths[len(lengths) // 2] <= 10
    assert sum(length > 40 for length in lengths) < 0.002 * len(lengths)
    assert sum(not any(letter.isalnum() for letter in sentence) for sentence in everything) == 0
    assert sum(sentence.rstrip(". ").lower().endswith((" dr", " e.g", " mr")) for sentence in everything) == 0


@pytest.mark.parametrize("unit", [".", "\n", " ", "a.m. ", ". ", "IMPRESSION:\n", "1. ", "XXXX. "])
def test_sentences_take_linear_time(unit: str) -> None:
    started = time.perf_counter()
    sentence_starts(unit * (32_000 // len(unit)) + "a")
    assert time.perf_counter() - started < 1, "35 s for dots when each was tried as the first"
