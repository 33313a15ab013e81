"""Recommendation on this evidence: the recipe, the evidence for it, what to consider, and the next runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from radsweep.report import wording
from radsweep.report.analysis.claims import Claim, claims
from radsweep.report.analysis.compute import relative
from radsweep.report.analysis.convergence import answer
from radsweep.report.analysis.results import Group, Results, once
from radsweep.report.text.best import as_yaml, selection
from radsweep.report.text.design import folds, tuning_advice
from radsweep.report.text.not_ranked import left_out
from radsweep.report.text.verdicts import effect
from radsweep.store.selection import Reason, Selection

DEAR = 1.2  # times the baseline's time


@dataclass(frozen=True)
class Recommendation:
    recipe: str
    evidence: str  # for best.yaml; the report has it in its table
    files: str  # contents of the files
    caution: str  # empty if the arm costs about as much as the baseline
    next: list[str]
    next_yaml: str = ""  # arms to add, if there are some


@once
def recommendation(results: Results) -> Recommendation | None:
    """Advice on an ablation with numbers: the validation split ranks the arms, the evidence is of the metric shown."""
    chosen, found = selection(results), claims(results)
    base, best, leader = results.sweep.baseline, chosen.recommended, chosen.leader
    if results.sweep.kind != "ablation" or best is None or leader is None or base not in results.arms:
        return None
    subject = leader if best.arm == base else best  # the arm that the evidence and the caution are about
    group = results.group(subject.arm, subject.pairs)
    assert group is not None
    combined = _combination(results, found, group.size)
    return Recommendation(
        recipe=" ".join([_recipe(results, chosen, group, found), *left_out(results, chosen)]),
        evidence=_evidence(results, group),
        files=_files(chosen),
        caution=_caution(results, group),
        next=list(_next(results, group, found, combined)),
        next_yaml=as_yaml({"ablation": {"arms": combined}}) if combined else "",
    )


def _verdict(found: Sequence[Claim], arm: str, size: int | None) -> str:
    return next((f.verdict for f in found if f.arm == arm and f.size in (size, None)), "")


def _recipe(results: Results, chosen: Selection, group: Group, found: Sequence[Claim]) -> str:
    """Arm to use, in agreement with best.yaml; `group` is of the leader, or of the recommended arm."""
    base, at, leader = results.sweep.baseline, wording.size_name(group.size), chosen.contenders[0].arm
    leads = f"had the best mean on the validation split at {at}"
    if chosen.reason == Reason.BASELINE_IS_BEST:
        return f"Stay with {base}: it {leads}."
    helped = [f.size for f in found if f.arm == group.arm and f.verdict == "helped"]
    doubt = _doubt(base, _verdict(found, leader, group.size))
    if chosen.reason == Reason.BASELINE_KEPT:
        elsewhere = f" At {wording.sizes_name(helped)} use {leader}: it helped there." if helped else ""
        return f"Keep {base} for now: {leader} {leads}, {doubt}.{elsewhere}"
    if group.arm == leader:
        return f"Use {leader}: it {leads}, and helped at {wording.sizes_name(helped)}."
    return (
        f"Use {group.arm}: it helped at {wording.sizes_name(helped)}, and of the arms that helped at {at} it had the "
        f"best mean on the validation split. {leader} {leads}, {doubt}."
    )


def _doubt(base: str, found: str) -> str:
    """Reasons against the arm with the best mean."""
    return {
        "not converged": "but training may not have converged there, so that the technique is not shown to be better",
        "hurt": f"but on the test split it was worse than {base}",
        "equivalent": f"but on the test split it made no difference to {base} that matters",
        "same run": f"but it is {base} itself",
    }.get(found, "but that it is better there is not shown")


def _files(chosen: Selection) -> str:
    best, candidate = chosen.recommended, chosen.candidate
    assert best is not None
    text = f"best.yaml runs {best.arm} at {wording.size_name(best.pairs)}"
    return f"{text}; candidate.yaml runs {candidate.arm}, which is not recommended." if candidate else f"{text}."


def _evidence(results: Results, group: Group) -> str:
    place, base = (group.arm, group.size), results.sweep.baseline
    change = results.evidence.differences.get(place)
    if group.arm == base:
        return "Differences of the other arms from it are below." if results.evidence.differences else ""
    if group.untested(results.metric) and not group.measured(results.metric):
        return f"{group.arm} has no number on the test split at {wording.size_name(group.size)}."
    if change is None:
        return f"{group.arm} has no interval, because {results.evidence.why_not(place, (base, group.size))}."
    return (
        f"On the test split, at {wording.size_name(group.size)}, {group.arm} differs from {base} by "
        f"{effect(results.metric, change)}, p {wording.p_value(change.p_adjusted)} after correction; from "
        f"{change.rests_on}. The interval holds although this arm was chosen among "
        f"{wording.count(change.correction.comparisons, 'comparison')}."
    )


def _caution(results: Results, group: Group) -> str:
    """Warn that the arm takes longer, and that the baseline could have used that time."""
    cost = relative(results, group.arm, [group.size]) if group.arm != results.sweep.baseline else None
    if cost is None or cost.seconds <= DEAR:
        return ""
    return f"{cost.sentence} With the same time spent on more pairs or longer training, the baseline may do as well."


def _next(results: Results, group: Group, found: Sequence[Claim], combined: dict[str, Any]) -> Iterator[str]:
    count = Counter(answer(r) for r in results.measured)
    if rising := count["still rising"]:
        yield (
            f"Train longer (train.until: plateau with a higher train.max_steps): {rising:,} of "
            f"{len(results.measured):,} cells had not converged."
        )
    if unknown := count["cannot tell"]:
        yield (
            f"Find out if training had converged in {unknown:,} of {len(results.measured):,} cells: use train.until: "
            "plateau, with a higher train.max_steps or a larger validation split."
        )
    yield from _decisive(results, [f for f in found if f.size == group.size and f.outlook])
    if combined:
        yield f"Run {wording.listed(list(combined))}: each part helped by itself, together they were not run."
    if len(results.sizes) == 1:
        yield "Add sizes (ablation.pairs): with two or more, the report says how many pairs a technique is worth."
    if advice := tuning_advice(results):
        yield advice


def _decisive(results: Results, undecided: Sequence[Claim]) -> Iterator[str]:
    """Ways to decide open comparisons: more seeds, or more test patients."""
    seeds = [f for f in undecided if f.outlook and f.outlook.seeds]
    patients = [f for f in undecided if f.outlook and not f.outlook.seeds and f.outlook.patients]
    if seeds:
        most = max(f.outlook.seeds for f in seeds if f.outlook and f.outlook.seeds)
        names = wording.listed([f.arm for f in seeds])
        key = _seeds_key(results)
        yield f"More replicates (ablation.seeds.{key}) to decide on {names}: about {most} if the estimates stay."
    if patients:
        most = max(f.outlook.patients for f in patients if f.outlook and f.outlook.patients)
        names = wording.listed([f.arm for f in patients])
        split = "data set" if folds(results) else "test split"
        yield (
            f"A larger {split} to decide on {names}: about {wording.rounded(most)} patients. More replicates "
            "cannot, since the patients by themselves leave an interval that is too wide."
        )


def _seeds_key(results: Results) -> str:
    """The key of `ablation.seeds` that adds replicates."""
    if results.sweep.ablation and results.sweep.ablation.seeds.until:
        return "max"
    replicates = {r.replicate for r in results.all}
    return "init" if 1 == len({subset for subset, _ in replicates}) < len(replicates) else "subset"


def _combination(results: Results, found: Sequence[Claim], size: int | None) -> dict[str, Any]:
    """{arm: changes} of the arms that helped at a size, merged; empty if it was run, or if two set one key."""
    ablation = results.sweep.ablation
    if ablation is None or ablation.design != "add-one":
        return {}
    helped = [f.arm for f in found if f.verdict == "helped" and f.size == size]
    changes = {r.planned.arm: r.planned.changes for r in results.all}
    merged: dict[str, Any] = {}
    for arm in helped:
        if merged.keys() & changes[arm].keys():
            return {}
        merged |= changes[arm]
    if len(helped) < 2 or merged in changes.values():
        return {}
    return {" + ".join(helped): merged}
