"""Sentences on what a recommendation leaves out: arms that failed too often, and arms and sizes still to come."""

from __future__ import annotations

from collections.abc import Sequence

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.store.arm_progress import ArmProgress
from radsweep.store.selection import Reason, Selection

MOST_NAMED = 6


def why_nothing(results: Results, chosen: Selection) -> str:
    """Reason why an ablation recommends nothing, though it has numbers. Empty if it recommends something."""
    base = results.sweep.baseline
    if chosen.reason == Reason.NO_SIZE_COMPLETE:
        two = f"{base} and another arm" if base in results.arms else "two arms"
        return (
            f"Nothing is recommended yet: at no size have {two} ended all their replicates. Missing: "
            f"{_progress(chosen.waiting)}."
        )
    if chosen.reason == Reason.BASELINE_FAILED:
        of_baseline = [progress for progress in chosen.failed if progress.arm == base]
        return (
            f"Nothing is recommended: {_failures(of_baseline)} failed, and no arm is shown to be better. Find out why "
            "they failed, and run the sweep again with --resume."
        )
    return ""


def left_out(results: Results, chosen: Selection) -> list[str]:
    """Arms that the ranking leaves out, one sentence for each reason."""
    if chosen.recommended is None and chosen.reason != Reason.BASELINE_FAILED:
        return []
    failed = [progress for progress in chosen.failed if progress.arm != results.sweep.baseline]
    sentences = []
    if failed:
        sentences.append(
            f"Not ranked: {wording.listed([progress.arm for progress in failed])}, because {_failures(failed)} failed; "
            "those that did not may be the easy ones."
        )
    if chosen.waiting:
        sentences.append(f"Not ranked yet: {_progress(chosen.waiting)}.")
    return sentences


def _failures(found: Sequence[ArmProgress]) -> str:
    """`3 of 5 replicates of local at 300 pairs`."""
    return _named(
        [
            f"{p.failed} of {wording.count(p.planned, 'replicate')} of {p.arm} at {wording.size_name(p.pairs)}"
            for p in found
        ]
    )


def _progress(found: Sequence[ArmProgress]) -> str:
    """`local at 300 pairs (1 of 3 replicates ended)`."""
    return _named(
        [
            f"{p.arm} at {wording.size_name(p.pairs)} ({p.ended} of {wording.count(p.planned, 'replicate')} ended)"
            for p in found
        ]
    )


def _named(parts: list[str]) -> str:
    more = [f"{len(parts) - MOST_NAMED:,} more"] if len(parts) > MOST_NAMED else []
    return wording.listed(parts[:MOST_NAMED] + more)
