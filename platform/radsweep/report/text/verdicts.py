"""Claim that a comparison with the baseline supports, in one sentence.

The rule: `helped` or `hurt` is said if p after Holm's correction over the whole table is below 0.05, the interval
holds seeds as well as patients, and every cell had converged. If no comparison has an interval, since no results
of queries are recorded, it is said only of at least 3 paired replicates that all differ in the same direction, by
a mean of at least 3 standard deviations of the differences; if only one arm lacks its interval, it has no evidence.
Everything else is stated as measured, with the reason in the same sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from radsweep.evaluation.statistics import Difference
from radsweep.evaluation.summary import FEWEST_REPLICATES, Comparison
from radsweep.report import wording
from radsweep.report.analysis.compute import relative
from radsweep.report.analysis.convergence import SAME_RUN, is_same_run, unconverged
from radsweep.report.analysis.evidence import SIGNIFICANT
from radsweep.report.analysis.results import Group, Results
from radsweep.report.text.multipliers import multiplier_sentence

Verdict = Literal["helped", "hurt", "not converged", "no evidence", "same run", "measured"]
SETTING = "Every arm ran at one setting of its own, none was tuned: what an arm adds, it adds at this setting."
RULE = (
    f"“Helped” and “hurt” are said if p is below {SIGNIFICANT:g} after Holm's correction over all comparisons of "
    "the table, from at least 2 replicates and from cells that had all converged. Intervals and p hold two sources of "
    "chance, other patients and other seeds (subsets of studies, starts); the candidates that a query is searched "
    f"among are held fixed. {SETTING}"
)
RULE_WITHOUT = (
    f"“Helped” and “hurt” are said only of at least {FEWEST_REPLICATES} paired replicates that all differ in the same "
    "direction, by a mean of at least 3 standard deviations of their differences, from cells that had all converged. "
    "Intervals and tests are missing, because {gap}; several comparisons side by side raise the odds of a chance find. "
    f"{SETTING}"
)


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    sentence: str
    arm: str = ""
    size: int | None = None
    beside: str = ""  # p, replicates, compute, ...
    cells: tuple[int, ...] = ()  # numbers of the cells that it rests on


def rule(results: Results) -> str:
    """Rule by which the words of this report were chosen."""
    evidence = results.evidence
    return RULE_WITHOUT.format(gap=evidence.gap) if evidence.gap else RULE


def compared(results: Results, group: Group) -> Finding | None:
    comparison = results.comparison(group)
    if comparison is None:
        return None
    found = verdict(results, group, comparison)
    baseline = _baseline(results, group)
    cells = [r.planned.number for g in (group, baseline) for r in g.results if r.replicate in comparison.replicates]
    sentence, beside = _worded(results, group, comparison, found)
    return Finding(found, sentence, group.arm, group.size, beside, tuple(cells))


def verdict(results: Results, group: Group, comparison: Comparison) -> Verdict:
    baseline = _baseline(results, group)
    if is_same_run(group, baseline, comparison):
        return "same run"
    late = unconverged(results, (baseline, group), comparison)
    change = results.evidence.differences.get((group.arm, group.size))
    if change is None:
        sound = comparison.enough and comparison.one_direction and comparison.beyond_spread and not late
        sound = sound and bool(results.evidence.gap)  # a gap beside others' intervals is not filled by a weaker rule
        return _direction(results, comparison.difference.mean) if sound else "no evidence"
    if results.evidence.p_holm[group.arm, group.size] >= SIGNIFICANT or change.seeds == 1:
        return "no evidence"
    return "not converged" if late else _direction(results, change.estimate)


def _direction(results: Results, change: float) -> Verdict:
    return "helped" if (change > 0) == results.higher else "hurt"


def _baseline(results: Results, group: Group) -> Group:
    baseline = results.group(results.sweep.baseline, group.size)
    assert baseline is not None
    return baseline


def _worded(results: Results, group: Group, comparison: Comparison, found: Verdict) -> tuple[str, str]:
    """The sentence, and the details beside it."""
    at, base = f"At {wording.size_name(group.size)}, {group.arm}", results.sweep.baseline
    if found == "same run":
        return f"{at} gave exactly the same numbers as {base} ({_levels(results, comparison)[0]}): {SAME_RUN}.", ""
    change = results.evidence.differences.get((group.arm, group.size))
    cost = relative(results, group.arm, [group.size])
    compute = [cost.sentence] if cost else []
    if change is None:
        return f"{at} {_without_interval(results, group, comparison, found)}", " ".join(compute)
    sentence = f"{at}{_with_interval(results, group, comparison, found, change)}."
    beside = [_tested(results, group, comparison, change), *compute]
    if times := multiplier_sentence(results, group):
        if found == "no evidence":
            beside.append(times)
        else:
            sentence = f"{sentence} {times}"
    return sentence, " ".join(beside)


def _levels(results: Results, comparison: Comparison) -> list[str]:
    return [wording.number(results.metric, s.mean) for s in (comparison.arm, comparison.baseline)]


def _with_interval(results: Results, group: Group, comparison: Comparison, found: Verdict, change: Difference) -> str:
    """Effect and interval, with the reasons against trusting them in the same sentence."""
    effect = wording.difference_interval(results.metric, change)
    late = unconverged(results, (_baseline(results, group), group), comparison)
    if found in ("helped", "hurt"):
        return f" {found}: {effect}"
    if found == "not converged":
        return f": {effect}, but {late}, so this is evidence about this much training only, not about the technique"
    doubts = [_unlikely(results.metric, change)]
    if change.seeds == 1:
        doubts = ["with one replicate the interval holds only other patients, not other seeds or subsets of studies"]
    if change.no_variation:
        doubts = ["nothing varied between patients or seeds, so that the interval says little"]
    if late:
        doubts.append(f"{late}, so this is about this much training only")
    return f": {effect}, no evidence of a difference; {'; '.join(doubts)}"


def _unlikely(metric: str, change: Difference) -> str:
    """Sentence on the ends of an interval beyond no difference."""
    ends = [change.low] * (change.low < 0) + [change.high] * (change.high > 0)
    beyond = " or ".join(wording.signed(metric, end) for end in ends)
    return f"effects beyond {beyond}{wording.points(metric)} are unlikely on this data"


def _tested(results: Results, group: Group, comparison: Comparison, change: Difference) -> str:
    """p, levels and the basis of the comparison."""
    evidence = results.evidence
    adjusted = evidence.p_holm[group.arm, group.size]
    parts = ["{} against {} for {}".format(*_levels(results, comparison), results.sweep.baseline)]
    parts.append(
        f"p {wording.p_value(adjusted)} after correction for {wording.count(evidence.comparisons, 'comparison')}"
    )
    if change.p < SIGNIFICANT <= adjusted:
        parts.append(f"p {wording.p_value(change.p)} by itself, a hint that may be chance among so many")
    late = unconverged(results, (_baseline(results, group), group), comparison)
    replicates, subsets = wording.count(comparison.difference.n, "replicate"), ""
    if change.seeds < comparison.difference.n:
        subsets = f" on {wording.count(change.seeds, 'subset')} of studies, and only these count as independent"
    parts.append(f"{replicates}{subsets}, {'not all cells are known to have' if late else 'all cells'} converged")
    return wording.sentence_start("; ".join(parts)) + "."


def _without_interval(results: Results, group: Group, comparison: Comparison, found: Verdict) -> str:
    metric, base = results.metric, results.sweep.baseline
    numbers = "{} against {}".format(*_levels(results, comparison))
    n = comparison.difference.n
    ends = [wording.signed(metric, end) for end in (min(comparison.differences), max(comparison.differences))]
    over = f"in the mean of {n} paired replicates ({ends[0]} to {ends[1]})" if n > 1 else "in one paired replicate"
    change = f"{wording.difference_with_unit(metric, comparison.difference.mean)} {over}"
    gap = results.evidence.why_not((group.arm, group.size), (base, group.size))
    if found != "no evidence":
        return f"{found}: {numbers} for {base}, {change}, all cells converged."
    if not results.evidence.gap:  # else the rule says it once for all
        late = unconverged(results, (_baseline(results, group), group), comparison)
        also = f", and {late}" if late else ""
        return (
            f"reached {numbers} for {base}, {change}; this is not evidence of a difference. "
            f"The difference has no interval, because {gap}{also}."
        )
    because = ", and ".join(f"because {reason}" for reason in _reasons(results, group, comparison))
    return f"reached {numbers} for {base}, {change}; this is not yet evidence of a difference, {because}."


def _reasons(results: Results, group: Group, comparison: Comparison) -> list[str]:
    n = comparison.difference.n
    reasons = []
    if not comparison.enough:
        reasons.append(f"{wording.count(n, 'replicate is', 'replicates are')} fewer than {FEWEST_REPLICATES}")
    if n > 1 and not comparison.one_direction:
        reasons.append("the replicates do not all differ in the same direction")
    elif n > 1 and not comparison.beyond_spread:
        reasons.append("the differences vary too much between replicates for their mean")
    if late := unconverged(results, (_baseline(results, group), group), comparison):
        reasons.append(late)
    return reasons
