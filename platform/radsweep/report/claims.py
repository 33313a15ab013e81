"""What a comparison with the baseline bears, in one sentence.

The rule, until intervals and tests are there: `helped` or `hurt` is said only of at least 3 paired replicates that all
differ in the same direction, by a mean of at least 3 standard deviations of the differences, from cells that had all
converged. Everything else is stated as measured, with the reason why it is no evidence in the same sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from radsweep.evaluation.summary import FEWEST_REPLICATES, Comparison
from radsweep.report import wording
from radsweep.report.results import Group, Result, Results

Verdict = Literal["helped", "hurt", "no evidence", "same run", "measured"]
RULE = (
    f"“Helped” and “hurt” are said only of at least {FEWEST_REPLICATES} paired replicates that all differ in the same "
    "direction, by a mean of at least 3 standard deviations of their differences, from cells that had all converged. "
    "No intervals or tests are computed, and several comparisons side by side raise the odds of a chance find."
)
SAME_RUN = "the two are one configuration, or the change did nothing"


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    sentence: str
    arm: str = ""
    size: int | None = None


def compared(results: Results, group: Group) -> Finding | None:
    comparison = results.comparison(group)
    if comparison is None:
        return None
    found = verdict(results, group, comparison)
    return Finding(found, _comparison_sentence(results, group, comparison, found), group.arm, group.size)


def verdict(results: Results, group: Group, comparison: Comparison) -> Verdict:
    baseline = results.group(results.sweep.baseline, group.size)
    assert baseline is not None
    if _same_run(group, baseline, comparison):
        return "same run"
    sound = comparison.enough and comparison.one_direction and comparison.beyond_spread
    if not sound or unconverged(results, (baseline, group), comparison):
        return "no evidence"
    return "helped" if (comparison.difference.mean > 0) == results.higher else "hurt"


def _comparison_sentence(results: Results, group: Group, comparison: Comparison, found: Verdict) -> str:
    metric, base = results.metric, results.sweep.baseline
    arm_mean, base_mean = (wording.number(metric, s.mean) for s in (comparison.arm, comparison.baseline))
    numbers = f"{arm_mean} against {base_mean}"
    at = f"At {wording.size_name(group.size)}, {group.arm}"
    if found == "same run":
        return f"{at} gave the very numbers of {base} ({arm_mean}): {SAME_RUN}."
    n = comparison.difference.n
    ends = [wording.signed(metric, end) for end in (min(comparison.differences), max(comparison.differences))]
    over = f"in the mean of {n} paired replicates ({ends[0]} to {ends[1]})" if n > 1 else "in one paired replicate"
    change = f"{wording.difference(metric, comparison.difference.mean)} {over}"
    if found != "no evidence":
        return f"{at} {found}: {numbers} for {base}, {change}, all cells converged."
    because = ", and ".join(f"because {reason}" for reason in _reasons(results, group, comparison))
    return f"{at} reached {numbers} for {base}, {change}; this is no evidence of a difference yet, {because}."


def _reasons(results: Results, group: Group, comparison: Comparison) -> list[str]:
    baseline = results.group(results.sweep.baseline, group.size)
    assert baseline is not None
    n = comparison.difference.n
    reasons = []
    if not comparison.enough:
        reasons.append(f"{wording.count(n, 'replicate is', 'replicates are')} fewer than {FEWEST_REPLICATES}")
    if n > 1 and not comparison.one_direction:
        reasons.append("the replicates do not all differ in the same direction")
    elif n > 1 and not comparison.beyond_spread:
        reasons.append("the differences vary too much between replicates for their mean")
    if late := unconverged(results, (baseline, group), comparison):
        reasons.append(f"{wording.listed(late)} had not converged")
    return reasons


def unconverged(results: Results, groups: Sequence[Group], comparison: Comparison | None) -> list[str]:
    """`baseline (replicates 1 and 3)` for each group with cells that were still rising."""
    late = []
    for group in groups:
        counted = group.measured(results.metric)
        if comparison is not None:
            counted = [r for r in counted if r.replicate in comparison.replicates]
        open_ended = [r for r in counted if not (r.record and r.record.converged)]
        if open_ended:
            numbers = sorted(results.replicate_number(r.replicate) for r in open_ended)
            which = "every replicate" if len(open_ended) == len(counted) > 1 else _replicates(numbers)
            late.append(f"{group.arm} ({which})")
    return late


def _replicates(numbers: Sequence[int]) -> str:
    return f"replicate{'s' * (len(numbers) > 1)} {wording.listed([str(n) for n in numbers])}"


def _same_run(group: Group, baseline: Group, comparison: Comparison) -> bool:
    """Whether each replicate is the baseline's own run: one key, or the same numbers at every validation."""
    if any(comparison.differences):
        return False
    theirs = {r.replicate: r for r in baseline.results}
    pairs = [(r, theirs[r.replicate]) for r in group.results if r.replicate in comparison.replicates]
    return all(same_run(ours, other) for ours, other in pairs)


def same_run(a: Result, b: Result) -> bool:
    """Whether two cells share a key, or every number that training gave."""
    if a.planned.key == b.planned.key:
        return True
    if a.record is None or b.record is None or not a.record.history:
        return False
    return _numbers(a) == _numbers(b)


def _numbers(result: Result) -> tuple[object, ...]:
    assert result.record is not None
    record = result.record
    trail = tuple((v.step, v.metrics.get("train/loss"), v.metrics.get(record_select(result))) for v in record.history)
    return record.best, record.final, trail


def record_select(result: Result) -> str:
    """The metric that picked this cell's checkpoint."""
    assert result.record is not None
    return str(result.record.trial.get("evaluate", {}).get("select", ""))
