"""What to do on this evidence: the recipe, what speaks for it, when not to follow it, and what to run next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from radsweep.report import wording
from radsweep.report.best import as_yaml
from radsweep.report.claims import SETTING, Finding
from radsweep.report.compute import relative
from radsweep.report.evidence import SIGNIFICANT
from radsweep.report.results import Group, Results, best_result
from radsweep.report.runs import unconverged

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
        next=list(_next(results, group, combined)),
        next_yaml=as_yaml({"ablation": {"arms": combined}}) if combined else "",
    )


def _verdict(findings: list[Finding], group: Group) -> str:
    return next((f.verdict for f in findings if f.arm == group.arm and f.size in (group.size, None)), "")


def _recipe(results: Results, group: Group, findings: list[Finding]) -> str:
    base, at = results.sweep.baseline, wording.size_name(group.size)
    if group.arm == base:
        return f"Stay with {base}: no other arm had a better mean on the validation split at {at}."
    if _verdict(findings, group) == "helped":
        return f"Use {group.arm}: it had the best validation mean at {at}, and the test split confirms it."
    return (
        f"Keep {base} for now: {group.arm} had the best mean on the validation split at {at}, but that it is better "
        "than the baseline is not shown."
    )


def _evidence(results: Results, group: Group) -> str:
    place, base = (group.arm, group.size), results.sweep.baseline
    change = results.evidence.differences.get(place)
    if group.arm == base:
        return "Differences of the other arms from it stand above." if results.evidence.differences else ""
    if change is None:
        return f"There is no interval for this choice, because {results.evidence.why_not(place, (base, group.size))}."
    p = wording.p_value(results.evidence.p_holm[place])
    return (
        f"On the test split, which had no part in the choice, {group.arm} differs from {base} by "
        f"{wording.difference_interval(results.metric, change)}, p {p} after correction; from {change.rests_on}."
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


def _next(results: Results, group: Group, combined: dict[str, Any]) -> Iterator[str]:
    late = [r for r in results.measured if r.record and not r.record.converged]
    if late:
        yield (
            f"Train longer (train.until: plateau with a higher train.max_epochs): {len(late):,} of "
            f"{len(results.measured):,} cells had not converged."
        )
    places = [place for place in results.evidence.differences if place[1] == group.size]
    yield from _narrower(results, places)
    if combined:
        yield f"Run {wording.listed(list(combined))}: each part helped by itself, together they were not run."
    if len(results.sizes) == 1:
        yield "Add sizes (ablation.pairs): with two or more, the report says how many pairs a technique is worth."
    yield "Give every arm the same tuning budget before a technique is written off: each ran at one setting."


def _narrower(results: Results, places: list[tuple[str, int | None]]) -> Iterator[str]:
    """What would make the intervals of undecided comparisons narrower: more seeds, or more test studies."""
    open_ended = [p for p in places if results.evidence.p_holm[p] >= SIGNIFICANT]
    undecided = [p for p in open_ended if not results.evidence.differences[p].no_variation]
    if not undecided:
        return
    changes = [results.evidence.differences[p] for p in undecided]
    names = wording.listed([arm for arm, _ in undecided])
    seeds = changes[0].seeds
    of_seeds = sum((c.seed_variance or 0.0) > c.patient_variance for c in changes)
    if seeds < 3 or 2 * of_seeds >= len(changes):
        yield f"More replicates (ablation.seeds.subset above {seeds}) to decide on {names}: seeds vary, or are few."
    else:
        yield (
            f"A larger test split to decide on {names}: their intervals are wide because patients differ, which more "
            "replicates would hardly change."
        )


def _combination(results: Results, findings: list[Finding], size: int | None) -> dict[str, Any]:
    """{arm: changes} of the arms that helped at a size, merged; empty where it was run, or two set one key."""
    if (results.sweep.experiment.get("ablation") or {}).get("design", "add-one") != "add-one":
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
