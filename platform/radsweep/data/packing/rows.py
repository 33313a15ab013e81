"""Rows of a source that an importer passes to `pack`, and the reasons why rows are dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from radsweep.data.images import faults

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow
    from radsweep.data.shards.schema import Split

NO_REPORT = "no report"
PLACEHOLDER_REPORT = "report is a placeholder"
OTHER_REPORT = "report differs from the first of its study"
NO_IMAGE = faults.NOT_FOUND
OUTSIDE_ROOT = "image path leaves the root folder"
STAND_IN_IMAGE = "image belongs to many patients"
DUPLICATE = "duplicate of another row"
NO_PATIENT = "no patient id"
NO_SPLIT = "no split given"

PLACEHOLDERS = (
    "n/a", "na", "nan", "none", "null", "nil", "unknown", "missing", "empty", "not available", "not applicable",
    "no report", "no text", "tbd", "todo", "xxxx",
)  # fmt: skip


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
    """Return the reason why a text is not a report, or "": it is empty, only a placeholder, or has no letters."""
    text = normalise(report)
    if not text:
        return NO_REPORT
    bare = text.strip(" .:;,-_*()[]<>\"'")
    known = _normalised(tuple(placeholders))
    if text in known or bare in known or not any(sign.isalpha() for sign in text):
        return PLACEHOLDER_REPORT
    return ""


@cache
def _normalised(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(normalise, words))


def normalise(report: str) -> str:
    """Return a text for comparison: case folded, white space collapsed."""
    return re.sub(r"\s+", " ", report).strip().casefold()
