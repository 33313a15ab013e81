"""The sentence of each comparison, and the rule by which its words were chosen."""

from __future__ import annotations

from dataclasses import dataclass

from radsweep.evaluation.statistics import Difference, Outlook
from radsweep.evaluation.summary import Comparison
from radsweep.report import wording
from radsweep.report.analysis.claims import Claim, Verdict, claim_of, margin
from radsweep.report.analysis.compute import relative
from radsweep.report.analysis.convergence import SAME_RUN, unconverged
from radsweep.report.analysis.results import Group, Results
from radsweep.report.analysis.tuned import tuned_once
from radsweep.report.text.design import population, tuning_statement
from radsweep.report.text.multipliers import multiplier_sentence


@dataclass(frozen=True)
class Finding:
    verdict: Verdict | str  # `measured` of a sentence that compares nothing
    sentence: str
    arm: str = ""
    size: int | None = None
    beside: str = ""  # p, replicates, compute, ...
    cells: tuple[int, ...] = ()  # numbers of the cells that it rests on


def basis(results: Results) -> str:
    """The number of comparisons and their population; or the reason why nothing is claimed."""
    evidence = results.evidence
    if evidence.gap:
        return f"No claim is made, because intervals are missing: {evidence.gap}."
    corrections = [change.correction for change in evidence.differences.values()]
    compared = max((c.comparisons for c in corrections), default=1)
    look = max((c.look for c in corrections), default=1)
    planned = max((c.planned_looks for c in corrections), default=1)
    looks = f" and over up to {planned} looks" if planned > 1 else ""
    looks += f"; this is sweep {look} that looks at them" if look > 1 else ""
    comparisons = wording.count(compared, "comparison")
    together = f"All intervals of the {comparisons} hold together{looks}: 95 % sure."
    return f"{together} {population(results)}"


def words(results: Results) -> str:
    """The rule of each verdict."""
    if results.evidence.gap:
        return tuning_statement(results)
    small = margin(results)
    equivalent = (
        f", and “equivalent” (no difference that matters) if it lies within ±{wording.unsigned(results.metric, small)}"
        if small
        else ""
    )
    return (
        f"“Helped” and “hurt” are said if the interval excludes 0{equivalent}, from cells that had all converged. "
        f"{tuning_statement(results)}"
    )


def rule(results: Results) -> str:
    """Rule by which the words of this report were chosen."""
    return f"{basis(results)} {words(results)}"


def compared(results: Results, group: Group) -> Finding | None:
    comparison, found = results.comparison(group), claim_of(results, group)
    baseline = results.group(results.sweep.baseline, group.size)
    if comparison is None or found is None or baseline is None:
        return None
    cells = [r.planned.number for g in (group, baseline) for r in g.results if r.replicate in comparison.replicates]
    sentence = _sentence(results, comparison, found)
    beside = [] if found.verdict == "same run" else _beside(results, group, comparison, found)
    if times := multiplier_sentence(results, group):
        if found.verdict in ("helped", "hurt", "equivalent"):
            sentence = f"{sentence} {times}"
        elif found.change:
            beside.append(times)
    return Finding(found.verdict, sentence, group.arm, group.size, " ".join(beside), tuple(cells))


def effect(metric: str, change: Difference) -> str:
    return wording.difference_interval(metric, change)


def open_until(results: Results, change: Difference, found: Outlook) -> str:
    """The power of an open comparison, and what would decide it."""
    could = f"it would have shown a difference of {wording.unsigned(results.metric, found.detectable)}"
    seeds = f"about {found.seeds} replicates in place of {change.seeds}" if found.seeds else ""
    patients = f"about {wording.rounded(found.patients)} test patients" if found.patients else ""
    if seeds and patients:
        return f"{could}; {seeds} would decide it, or {patients} in place of {change.patients:,}"
    if seeds:
        return f"{could}; {seeds} would decide it"
    if patients:
        return f"{could}; more replicates cannot decide it, {patients} in place of {change.patients:,} would"
    return f"{could}; more replicates or more test patients by themselves would not decide it"


def _sentence(results: Results, comparison: Comparison, found: Claim) -> str:
    """Verdict, effect and interval, with the reason why it is no more in the same sentence."""
    at = f"At {wording.size_name(found.size)}, {found.arm}"
    base, metric, change = results.sweep.baseline, results.metric, found.change
    ours, theirs = (wording.number(metric, s.mean) for s in (comparison.arm, comparison.baseline))
    if found.verdict == "same run":
        return f"{at} gave exactly the same numbers as {base} ({ours}): {SAME_RUN}."
    if change is None:
        difference = wording.difference_with_unit(metric, comparison.difference.mean)
        return f"{at} reached {ours} against {theirs} for {base}, {difference}; nothing is claimed, since {found.why}."
    shown = effect(metric, change)
    if found.verdict in ("helped", "hurt"):
        values = " at these tuned values" if tuned_once(results) else ""
        return f"{at} {found.verdict}{values}: {shown}."
    if found.verdict == "equivalent":
        small = margin(results) or 0.0
        return f"{at} made no difference that matters: {shown}, within ±{wording.unsigned(metric, small)}."
    if found.verdict == "not converged":
        return f"{at}: {shown}, but {found.why}, so this is about this much training only, not about the technique."
    if found.verdict == "cannot be claimed":
        return f"{at}: {shown}; nothing is claimed, because {found.why}."
    assert found.outlook is not None
    return f"{at} is open: {shown}; {open_until(results, change, found.outlook)}."


def _beside(results: Results, group: Group, comparison: Comparison, found: Claim) -> list[str]:
    """Levels, p, the basis of the comparison, and its cost."""
    cost = relative(results, group.arm, [group.size])
    compute = [cost.sentence] if cost else []
    if found.change is None:
        return compute
    change, baseline = found.change, results.group(results.sweep.baseline, group.size)
    assert baseline is not None
    ours, theirs = (wording.number(results.metric, s.mean) for s in (comparison.arm, comparison.baseline))
    compared = wording.count(change.correction.comparisons, "comparison")
    look = f" and look {change.correction.look}" if change.correction.look > 1 else ""
    late = unconverged(results, (baseline, group), comparison)
    replicates, subsets = wording.count(comparison.difference.n, "replicate"), ""
    if change.seeds < comparison.difference.n:
        subsets = f" on {wording.count(change.seeds, 'subset')} of studies, and only these count as independent"
    parts = [
        f"{ours} against {theirs} for {results.sweep.baseline}",
        f"p {wording.p_value(change.p_adjusted)} after correction for {compared}{look}",
        f"{replicates}{subsets}, {'not all cells are known to have' if late else 'all cells'} converged",
    ]
    parts += [
        f"{len(untested)} of {wording.count(len(g.results), 'replicate')} of {g.arm} without a test number"
        for g in (group, baseline)
        if (untested := g.untested(results.metric))
    ]
    return [wording.sentence_start("; ".join(parts)) + ".", *compute]
