"""One cell of the table arms x sizes: a value, its difference from the baseline, and what to read them beside."""

from __future__ import annotations

from dataclasses import dataclass

from radsweep.config.metrics import Metric
from radsweep.evaluation.statistics import Difference, Interval, Multiplier, SignFlipTest
from radsweep.report import wording
from radsweep.report.analysis.compute import Relative, relative
from radsweep.report.analysis.results import Group, Results
from radsweep.report.text import multipliers
from radsweep.report.text.verdicts import verdict


@dataclass(frozen=True)
class Entry:
    arm: str
    size: int | None
    shown: str  # 18.1 % [16.0, 20.4], or 18.1 % ± 1.3 without an interval
    mean: float | None
    deviation: float | None  # over replicates
    interval: Interval | None
    replicates: int
    planned: int
    converged: int
    failed: int
    difference: float | None  # mean of the paired differences from the baseline
    difference_shown: str
    difference_deviation: float | None
    change: Difference | None  # the same with its interval and p
    p_holm: float | None  # over the whole table
    p_shown: str
    sign_flip: SignFlipTest | None
    multiplier: Multiplier | None
    multiplier_shown: str
    multiplier_doubt: str  # why it is not to be trusted
    compute: Relative | None  # beside the baseline's
    paired: int
    verdict: str
    why_no_interval: str
    best: bool  # the largest mean of its size
    cells: tuple[int, ...]  # numbers of the cells that its value comes from


def arm_entry(results: Results, group: Group) -> Entry:
    metric, place, evidence = results.metric, (group.arm, group.size), results.evidence
    comparison = results.comparison(group)
    found, interval = group.spread(metric), evidence.levels.get(place)
    measured = group.measured(metric)
    spread = comparison.difference if comparison else None
    change, multiplier = evidence.differences.get(place), evidence.multipliers.get(place)
    judged = verdict(results, group, comparison) if comparison else ""
    times = multiplier if multiplier and judged != "same run" and multipliers.says_something(multiplier) else None
    against = (results.sweep.baseline, group.size)
    why_not = evidence.why_not(place, against) if comparison and change is None else ""
    return Entry(
        arm=group.arm,
        size=group.size,
        shown=wording.value_bracketed(metric, interval) if interval else wording.with_deviation(metric, found),
        mean=found.mean if found else None,
        deviation=found.deviation if found else None,
        interval=interval,
        replicates=len(measured),
        planned=len(group.results),
        converged=sum(bool(r.record and r.record.converged) for r in measured),
        failed=sum(r.status == "failed" for r in group.results),
        difference=change.estimate if change else spread.mean if spread else None,
        difference_shown=_difference_shown(results, group, change),
        difference_deviation=spread.deviation if spread else None,
        change=change,
        p_holm=evidence.p_holm.get(place),
        p_shown=f"p {wording.p_value(evidence.p_holm[place])}" if change else "",
        sign_flip=evidence.sign_flips.get(place),
        multiplier=multiplier,
        multiplier_shown=f"{multipliers.shown(times)} pairs" if times else "",
        multiplier_doubt=multipliers.multiplier_doubt(results, group),
        compute=relative(results, group.arm, [group.size]),
        paired=spread.n if spread else 0,
        verdict=judged,
        why_no_interval=why_not,
        best=found is not None and found.mean == _top(results, group),
        cells=tuple(r.planned.number for r in measured),
    )


def _difference_shown(results: Results, group: Group, change: Difference | None) -> str:
    comparison = results.comparison(group)
    if change is not None:
        return wording.difference_bracketed(results.metric, change)
    if comparison is None:
        return ""
    mean = wording.difference(results.metric, comparison.difference.mean)
    return f"{mean} {wording.deviation(results.metric, comparison.difference)}".strip()


def _top(results: Results, group: Group) -> float | None:
    """The best mean of a size with several arms."""
    means = [s.mean for g in results.groups if g.size == group.size and (s := g.spread(results.metric))]
    return Metric(results.metric).best(means) if len(means) > 1 else None
