"""Cut reports that are longer than a text tower reads, and count them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radsweep.config.model import TextTower, Truncation
from radsweep.data.text.tokenizer import SpecialIds, TokenisedReports


@dataclass(frozen=True)
class Cuts:
    """Reports that are cut at a length."""

    reports: int
    cut: int
    impressions: int  # reports that show where their impression begins
    lost: int  # those of these that keep nothing of it

    @property
    def text(self) -> str:
        """Such as `369 of 3,087 reports are cut, and 119 lose their whole impression`."""
        lost = f", and {self.lost:,} lose their whole impression" if self.impressions else ""
        return f"{self.cut:,} of {self.reports:,} reports are cut{lost}"


def room(special: SpecialIds, max_tokens: int) -> int:
    """Tokens of a report's own beside the start token, if there is one, and the end token."""
    return max_tokens - 1 - (special.cls is not None)


def truncated(reports: TokenisedReports, most: int, truncation: Truncation) -> TokenisedReports:
    """The reports with at most `most` tokens each, in the order in which they were.

    `head` and `tail` keep the first and the last tokens. `impression_first` keeps the impression, and fills what is
    left with the first of the other tokens; a report without a known impression keeps its first tokens.
    """
    lengths = np.diff(reports.offsets)
    if (lengths <= most).all():
        return reports
    report_T = np.repeat(np.arange(len(lengths)), lengths)
    rank_T = np.arange(len(report_T)) - reports.offsets[report_T]  # the first `most` are kept
    if truncation == "tail":
        rank_T = lengths[report_T] - 1 - rank_T
    elif truncation == "impression_first":
        in_impression_T = _in_impression(reports, report_T)
        order = np.lexsort((rank_T, ~in_impression_T, report_T))
        rank_T[order] = np.arange(len(report_T)) - reports.offsets[report_T]
    index = np.flatnonzero(rank_T < most)
    offsets = np.concatenate(([0], np.cumsum(np.minimum(lengths, most))))
    return TokenisedReports(
        reports.tokens_T[index], reports.sentences_T[index], reports.words_T[index], offsets, reports.impression_N
    )


def count_cuts(parts: Iterable[TokenisedReports], most: int, truncation: Truncation) -> Cuts:
    """The cut reports of all parts together; arguments as those of `truncated`."""
    counts = np.zeros(4, dtype=np.int64)
    for reports in parts:
        before_N, after_N = (_impression_tokens(each) for each in (reports, truncated(reports, most, truncation)))
        lengths, known_N = np.diff(reports.offsets), before_N > 0
        counts += [len(lengths), (lengths > most).sum(), known_N.sum(), (known_N & (after_N == 0)).sum()]
    return Cuts(*counts.tolist())


def cut_notes(text: TextTower, special: SpecialIds, parts: Sequence[TokenisedReports]) -> list[str]:
    """A sentence on the reports that a text tower does not read in full, if there are any."""
    most = room(special, text.max_tokens)
    if all((np.diff(reports.offsets) <= most).all() for reports in parts):
        return []
    cuts = count_cuts(parts, most, text.truncation)
    kept: str = text.truncation
    if kept == "impression_first" and not cuts.impressions:
        kept = "head, since no report shows where its impression begins"
    return [
        f"With {Path(text.backbone).name}, {cuts.text} at {text.max_tokens} tokens (model.text.truncation: {kept})."
    ]


def _impression_tokens(reports: TokenisedReports) -> np.ndarray:
    """int [N]: tokens of each report's impression."""
    lengths = np.diff(reports.offsets)
    report_T = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(report_T[_in_impression(reports, report_T)], minlength=len(lengths))


def _in_impression(reports: TokenisedReports, report_T: np.ndarray) -> np.ndarray:
    """bool [T]: True on tokens of an impression that is known."""
    if reports.impression_N is None:
        return np.zeros(len(report_T), dtype=bool)
    result: np.ndarray = reports.sentences_T >= reports.impression_N[report_T]
    return result
