"""Rows to studies: one report each, every picture once, and a reason for each row that is dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radsweep.data.packing.labels import merge_labels
from radsweep.data.packing.rows import DUPLICATE, OTHER_REPORT, Dropped, SourceRow, normalise, report_fault

Picture = tuple[str, str]  # path, hash of pixels


@dataclass(frozen=True)
class Requirements:
    """Parts that a source has, and parts that each study needs.

    report, image: the source has them at all. without_report, without_image: a study may lack its own.
    """

    report: bool = True
    image: bool = True
    without_report: bool = False
    without_image: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A study before it gets its split. Its paths are unique, and so are the pictures they show."""

    person: str
    rows: tuple[SourceRow, ...]
    report: str | None
    pictures: tuple[tuple[SourceRow, str], ...]
    labels: Mapping[str, float | None]

    @property
    def study_id(self) -> str:
        """Id that is unique within a person, who may have had two patient ids with the same study ids."""
        first = self.rows[0]
        return f"row {first.number}" if first.study is None else f"{first.patient}/{first.study}"


def _digest(report: str) -> bytes:
    """Return 128 bits that are equal for reports that read the same; the texts of a million rows would take more."""
    return hashlib.blake2b(normalise(report).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def draft_studies(
    rows: Sequence[SourceRow],
    pictures: Mapping[int, Sequence[Picture]],
    faults: Mapping[int, str],
    person_of: Mapping[str, str],
    needs: Requirements,
    placeholders: Sequence[str],
) -> tuple[list[Draft], list[Dropped]]:
    """Group rows into studies by (patient, study).

    pictures: a row's readable pictures, by its number. faults: the reason why a row has none, or "".
    A study's report is the first usable one of its rows. A row without a report joins the study; a row with another
    report is dropped. A row is a duplicate if its person already has the same pictures with the same report.
    """
    groups: dict[tuple[str, str | int], list[SourceRow]] = {}
    for row in rows:
        groups.setdefault((row.patient, row.number if row.study is None else row.study), []).append(row)
    drafts: list[Draft] = []
    dropped: list[Dropped] = []
    seen: set[tuple[str, tuple[str, ...], bytes]] = set()
    for group in groups.values():
        person = person_of.get(group[0].patient, group[0].patient)
        report_faults = {row.number: row.no_report or report_fault(row.report, placeholders) for row in group}
        usable = [row for row in group if not report_faults[row.number]] if needs.report else []
        report = usable[0].report if usable else None
        told = _digest(report or "")
        others = {row.number for row in usable if _digest(row.report) != told}
        dropped += [Dropped(row, OTHER_REPORT) for row in group if row.number in others]
        group = [row for row in group if row.number not in others]

        if report is None and needs.report and not (needs.without_report and any(pictures[r.number] for r in group)):
            dropped += [Dropped(row, report_faults[row.number]) for row in group]
            continue
        shown = [row for row in group if pictures[row.number]]
        if not shown and needs.image and not (needs.without_image and report is not None):
            dropped += [Dropped(row, faults[row.number]) for row in group]
            continue
        kept: list[SourceRow] = []
        chosen: dict[str, tuple[SourceRow, str]] = {}  # hash of pixels -> row, path
        for row in shown or group:
            hashes = {pixels for _, pixels in pictures[row.number]}
            mark = (person, tuple(sorted(hashes)), told)
            if mark in seen or (kept and hashes <= chosen.keys()):
                dropped.append(Dropped(row, DUPLICATE))
                continue
            seen.add(mark)
            kept.append(row)
            for path, pixels in pictures[row.number]:
                chosen.setdefault(pixels, (row, path))
        dropped += [Dropped(row, faults[row.number]) for row in group if shown and not pictures[row.number]]
        if kept:
            labels = merge_labels([row.labels for row in kept])
            drafts.append(Draft(person, tuple(kept), report, tuple(chosen.values()), labels))
    return drafts, dropped
