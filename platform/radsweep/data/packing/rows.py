"""Rows of a source that an importer passes to `pack`, and the reasons why rows are dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from radsweep.data.images import faults
from radsweep.data.packing.missing import NULLS, WORDS, is_missing
from radsweep.data.text.cleaning import clean

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow
    from radsweep.data.shards.schema import Split

NO_REPORT = "no report"
PLACEHOLDER_REPORT = "report is a placeholder"
OTHER_REPORT = "report differs from the first of its study"
NO_IMAGE = faults.NOT_FOUND
OUTSIDE_ROOT = "image path leaves the root folder"
AMBIGUOUS_IMAGE = "image file is ambiguous: several have its name or one like it"
IMAGE_IS_FOLDER = "image path is a folder"
STAND_IN_IMAGE = "image belongs to many patients"
DUPLICATE = "duplicate of another row"
NO_PATIENT = "no patient id"
NO_SPLIT = "no split given"

PLACEHOLDERS = (
    *NULLS, *WORDS, "no report", "no text", "no report available", "report not available", "not reported",
    "none available", "pending", "report pending",
)  # fmt: skip
_AROUND = " .:;,-_*()[]{}<>\"'`#!?=/\\|~+"
_LONGEST_PLACEHOLDER = 200  # characters
_MASK = re.compile(r"x{2,}|_+")  # for a removed word, in MIMIC-CXR, Open-i and others


@dataclass(frozen=True, slots=True)  # there may be a million
class SourceRow:
    """One row. `files` are relative to the source's root; `study` is None if each row is a study of its own.

    number: from 1, in the order of the source. fault: the reason why the importer rejected the row, or "".
    no_report: the reason why the importer found no report, or ""; the row may still join a study that has one.
    """

    number: int
    patient: str
    report: str = ""
    files: tuple[str, ...] = ()
    study: str | None = None
    view: str = ""
    split: Split | None = None
    labels: Mapping[str, float | None] = field(default_factory=dict)
    fault: str = ""
    no_report: str = ""


@dataclass(frozen=True)
class Dropped:
    """A row that is not in the shards, and why."""

    row: SourceRow
    reason: str


def report_fault(report: str, placeholders: Sequence[str]) -> str:
    """Return the reason why a text is not a report, or "": it is empty, only a placeholder, or has no letters.

    A text of several placeholders or masks (`XXXX XXXX`) is one too, and so is one of which cleaning leaves nothing.
    """
    if not report or report.isspace():
        return NO_REPORT
    text = normalise(clean(report))
    known = _normalised(tuple(placeholders))
    bare = text.strip(_AROUND)
    if text in known or bare in known or not any(sign.isalpha() for sign in text):
        return PLACEHOLDER_REPORT
    if len(text) <= _LONGEST_PLACEHOLDER and all(_stands_for_nothing(word, known) for word in text.split()):
        return PLACEHOLDER_REPORT
    return ""


def _stands_for_nothing(word: str, known: frozenset[str]) -> bool:
    bare = word.strip(_AROUND)
    return not bare or bare in known or bool(_MASK.fullmatch(bare))


def identified(row: SourceRow) -> SourceRow:
    """Return a row with a fault if its patient is missing (`nan`, `None`), and without a study that is."""
    if is_missing(row.patient):
        return replace(row, fault=row.fault or NO_PATIENT)
    return replace(row, study=None) if row.study is not None and is_missing(row.study) else row


@cache
def _normalised(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(normalise, words))


def normalise(report: str) -> str:
    """Return a text for comparison: case folded, white space collapsed."""
    return re.sub(r"\s+", " ", report).strip().casefold()
