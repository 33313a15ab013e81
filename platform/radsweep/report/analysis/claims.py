"""The claim that each comparison with the baseline supports, and why it supports no more.

`helped`, `hurt`: the simultaneous interval excludes 0. `equivalent`: it lies within the margin below which differences
are too small to matter. `open`: neither. These are said only if every cell had converged (else `not converged`) and if
the design supports a claim (else `cannot be claimed`, with the reason).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from radsweep.evaluation.statistics import Difference, Outlook, outlook
from radsweep.report import wording
from radsweep.report.analysis.convergence import is_same_run, unconverged
from radsweep.report.analysis.results import Group, Results
from radsweep.report.analysis.tuned import failed_tunings, not_about_the_technique
from radsweep.store.arm_progress import MOST_FAILED

Verdict = Literal["helped", "hurt", "equivalent", "open", "not converged", "same run", "cannot be claimed"]
CLEAR: tuple[Verdict, ...] = ("helped", "hurt")
FEWEST_SEED_DEGREES = 2.0  # with 1 a quantile of Student's t is 12.7, and rests on normal seeds
FEWEST_PATIENTS = 5.0  # effective number: half of the queries of one patient leave 4


@dataclass(frozen=True)
class Claim:
    """One comparison of an arm with the baseline at the same size."""

    arm: str
    size: int | None
    verdict: Verdict
    why: str = ""  # of `cannot be claimed` and `not converged`, as the end of a sentence
    change: Difference | None = None
    outlook: Outlook | None = None  # of `open`

    @property
    def too_small_to_matter(self) -> bool:
        return self.verdict == "equivalent"


def claims(results: Results) -> tuple[Claim, ...]:
    """All comparisons, arm by arm and size by size."""
    if claims not in results.kept:
        groups = [results.group(arm, size) for arm in results.arms for size in results.sizes]
        found = (claim(results, group) for group in groups if group is not None)
        results.kept[claims] = tuple(each for each in found if each is not None)
    known: tuple[Claim, ...] = results.kept[claims]
    return known


def claim_of(results: Results, group: Group) -> Claim | None:
    return next((c for c in claims(results) if (c.arm, c.size) == (group.arm, group.size)), None)


def margin(results: Results) -> float | None:
    """`ablation.equivalence_margin` in units of the metric; None if every difference matters."""
    ablation = results.sweep.ablation
    return margin_in_units(results.metric, ablation.equivalence_margin if ablation else None)


def margin_in_units(metric: str, points: float | None) -> float | None:
    return None if points is None else points / (1 if wording.is_rank(metric) else 100)


def claim(results: Results, group: Group) -> Claim | None:
    """Judge the comparison of a group with the baseline; None for the baseline, or if the two share no replicate."""
    comparison, place = results.comparison(group), (group.arm, group.size)
    baseline = results.group(results.sweep.baseline, group.size)
    if comparison is None or baseline is None:
        return None
    if is_same_run(group, baseline, comparison):
        return Claim(*place, "same run")
    change = results.evidence.differences.get(place)
    if why := next(_absent(results, group, baseline), ""):
        return Claim(*place, "cannot be claimed", why, change)
    if change is None:
        why = results.evidence.why_not(place, (baseline.arm, group.size))
        return Claim(*place, "cannot be claimed", f"it has no interval, because {why}")
    if why := next(_obstacles(results, group, change), ""):
        return Claim(*place, "cannot be claimed", why, change)
    small = margin(results)
    equivalent = small is not None and change.within(small)
    if not change.clear and not equivalent:
        return Claim(*place, "open", "", change, outlook(change, small or 0.0))
    if late := unconverged(results, (baseline, group), comparison):
        return Claim(*place, "not converged", late, change)
    if not change.clear:
        return Claim(*place, "equivalent", "", change)
    return Claim(*place, "helped" if (change.estimate > 0) == results.higher else "hurt", "", change)


def few_patients(change: Difference) -> bool:
    """True if a few patients have most of the queries."""
    return change.patient_degrees + 1 < FEWEST_PATIENTS


def _absent(results: Results, *groups: Group) -> Iterator[str]:
    """Replicates without which nothing is claimed: those that failed too often, or have not ended."""
    found = [results.progress[group.arm, group.size] for group in groups]
    for progress in found:
        if progress.failed_too_often:
            replicates = wording.count(progress.planned, "replicate")
            yield (
                f"{progress.failed} of {replicates} of {progress.arm} failed, and those that did not may be the easy "
                "ones"
            )
    for group in groups:
        untuned, tuned = failed_tunings(results, group)
        if untuned > MOST_FAILED * tuned:
            yield (
                f"no tuning trial of {group.arm} finished in {untuned} of {wording.count(tuned, 'replicate')}, and "
                "those that are left may be the easy ones"
            )
    for progress in found:
        if not progress.complete:
            replicates = wording.count(progress.planned, "replicate")
            yield f"{progress.planned - progress.ended} of {replicates} of {progress.arm} have not ended"


def _obstacles(results: Results, group: Group, change: Difference) -> Iterator[str]:
    """Reasons why a design supports no claim, as the end of a sentence, the gravest first."""
    if why := not_about_the_technique(results, group):
        yield why
    if change.seeds == 1:
        yield "one replicate does not show how much seeds vary; run 3 or more"
    elif change.seed_degrees is not None and change.seed_degrees < FEWEST_SEED_DEGREES:
        yield "two replicates do not show how much seeds vary; run 3 or more"
    if few_patients(change):
        weight = f"{change.patient_degrees + 1:.1f}"
        yield f"the {change.patients:,} test patients weigh no more than {weight}, since few have most of the queries"
