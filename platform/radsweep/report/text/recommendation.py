"""What to do on this evidence: the recipe, what speaks for it, when not to follow it, and what to run next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from radsweep.report import wording
from radsweep.report.analysis.compute import relative
from radsweep.report.analysis.convergence import unconverged
from radsweep.report.analysis.results import Group, Results, best_result
from radsweep.report.text.best import as_yaml
from radsweep.report.text.verdicts import SETTING, Finding

DEAR = 1.2  # times the baseline's time


@dataclass(frozen=True)
class Recommendation:
    recipe: str
    evidence: str
    cautions: list[str]  # when not to follow it
    next: list[str]
    next_yaml: str = ""  # arms to add, where there are some


def recommendation(results: Results, findings: list[Finding]) -> Recommendation | None:
    """Of an ablation with numbers; the arm is chosen on the validation split, the evidence is of the metric shown."""
    best = best_result(results)
    if results.sweep.kind != "ablation" or best is None or results.sweep.baseline not in results.arms:
        return None
    group = results.group(best.planned.arm, best.planned.pairs)
    assert group is not None
    combined = _combination(results, findings, group.size)
    return Recommendation(
        recipe=_recipe(results, group, findings),
        evidence=_evidence(results, group),
        cautions=list(_cautions(results, group, findings)),
        next=list(_next(results, group, findings, combined)),
        next_yaml=as_yaml({"ablation": {"arms": combined}}) if combined else "",
    )


def _verdict(findings: list[Finding], group: Group) -> str:
    return next((f.verdict for f in findings if f.arm == group.arm and f.size in (group.size, None)), "")


def _recipe(results: Results, group: Group, findings: list[Finding]) -> str:
    base, at, found = results.sweep.baseline, wording.size_name(group.size), _verdict(findings, group)
    chosen = f"had the best mean on the validation split at {at}"
    if group.arm == base:
        return f"Stay with {base}: it {chosen}."
    helped = [f.size for f in findings if f.arm == group.arm and f.verdict == "helped"]
    if found == "helped":
        return f"Use {group.arm}: it {chosen}, and helped at {wording.sizes_name(helped)}."
    open_ended = {
        "not converged": "but training had not converged there, so that the technique is not shown to be better",
        "hurt": f"but on the test split it was worse than {base}",
        "same run": f"but it is {base} itself",
    }.get(found, "but that it is better there is not shown")
    if helped:
        return f"Use {group.arm} at {wording.sizes_name(helped)}, where it helped; it {chosen}, {open_ended}."
    return f"Keep {base} for now: {group.arm} {chosen}, {open_ended}."


def _evidence(results: Results, group: Group) -> str:
    place, base = (group.arm, group.size), results.sweep.baseline
    change = results.evidence.differences.get(place)
    if group.arm == base:
        return "Differences of the other arms from it stand below." if results.evidence.differences else ""
    if change is None:
        return f"There is no interval for this choice, because {results.evidence.why_not(place, (base, group.size))}."
    p = wording.p_value(results.evidence.p_holm[place])
    return (
        f"On the test split, which had no part in the choice, at {wording.size_name(group.size)} it differs from "
        f"{base} by {wording.difference_interval(results.metric, change)}, p {p} after correction; from "
        f"{change.rests_on}."
    )


def _cautions(results: Results, group: Group, findings: list[Finding]) -> Iterator[str]:
    base = results.group(results.sweep.baseline, group.size)
    change = results.evidence.differences.get((group.arm, group.size))
    if base and (late := unconverged(results, (base, group) if group is not base else (base,), None)):
        yield f"{wording.sentence_start(wording.listed(late))} had not converged: longer training may turn the order."
    if group is not base and _verdict(findings, group) == "no evidence":
        yield "The difference from the baseline may be chance."
    if change is not None and change.seeds == 1:
        yield "One replicate cannot tell the technique from the luck of its subset of studies and its start."
    if group is not base and (cost := relative(results, group.arm, [group.size])) and cost.seconds > DEAR:
        yield f"{cost.sentence} With the same time spent on more pairs or longer training, the baseline may do as well."
    elsewhere = [f for f in findings if f.arm == group.arm and f.size != group.size and f.verdict == "hurt"]
    if elsewhere:
        yield f"{group.arm} hurt at {wording.sizes_name([f.size for f in elsewhere])}."
    name = results.sweep.data.get("name")
    yield (
        f"All of it is from one data set{f' ({name})' if name else ''}: another hospital's images or reports may "
        "differ."
    )
    yield SETTING


def _next(results: Results, group: Group, findings: list[Finding], combined: dict[str, Any]) -> Iterator[str]:
    late = [r for r in results.measured if r.record and not r.record.converged]
    if late:
        yield (
            f"Train longer (train.until: plateau with a higher train.max_epochs): {len(late):,} of "
            f"{len(results.measured):,} cells had not converged."
        )
    yield from _narrower(
        results, [f.arm for f in findings if f.size == group.size and f.verdict == "no evidence"], group
    )
    if combined:
        yield f"Run {wording.listed(list(combined))}: each part helped by itself, together they were not run."
    if len(results.sizes) == 1:
        yield "Add sizes (ablation.pairs): with two or more, the report says how many pairs a technique is worth."
    yield "Give every arm the same tuning budget before a technique is written off: each ran at one setting."


def _narrower(results: Results, undecided: list[str], group: Group) -> Iterator[str]:
    """What would make the intervals of undecided comparisons narrower: more seeds, or more test studies."""
    found = [d for arm in undecided if (d := results.evidence.differences.get((arm, group.size)))]
    if not found:
        return
    names = wording.listed(undecided)
    of_seeds = sum((d.seed_variance or 0.0) > d.patient_variance for d in found)
    if found[0].seeds < 3 or 2 * of_seeds >= len(found):
        yield f"More replicates (ablation.seeds.subset above {found[0].seeds}) to decide on {names}."
    else:
        yield (
            f"A larger test split to decide on {names}: their intervals are wide because patients differ, which more "
            "replicates would hardly change."
        )


def _combination(results: Results, findings: list[Finding], size: int | None) -> dict[str, Any]:
    """{arm: changes} of the arms that helped at a size, merged; empty where it was run, or two set one key."""
    ablation = results.sweep.ablation
    if ablation is None or ablation.design != "add-one":
        return {}
    helped = [f.arm for f in findings if f.verdict == "helped" and f.size == size]
    changes = {r.planned.arm: r.planned.changes for r in results.all}
    merged: dict[str, Any] = {}
    for arm in helped:
        if merged.keys() & changes[arm].keys():
            return {}
        merged |= changes[arm]
    if len(helped) < 2 or merged in changes.values():
        return {}
    return {" + ".join(helped): merged}
