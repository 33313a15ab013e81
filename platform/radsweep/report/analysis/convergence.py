"""Convergence of runs, and identity of two runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from radsweep.config.training import Convergence
from radsweep.evaluation.summary import Comparison
from radsweep.report import wording
from radsweep.report.analysis.results import Group, Result, Results

SAME_RUN = "the two are one configuration, or the change did nothing"


DOUBTS: dict[Convergence, str] = {"still rising": "had not converged", "cannot tell": "may not have converged"}


def answer(result: Result) -> Convergence:
    return result.record.convergence if result.record else "cannot tell"


def unconverged(results: Results, groups: Sequence[Group], comparison: Comparison | None) -> str:
    """`baseline (replicates 1 and 3) had not converged and local (replicate 2) may not have converged`, if so."""
    clauses = []
    for doubt, words in DOUBTS.items():
        late = []
        for group in groups:
            counted = group.measured(results.metric)
            if comparison is not None:
                counted = [r for r in counted if r.replicate in comparison.replicates]
            if open_ended := [r for r in counted if answer(r) == doubt]:
                numbers = sorted(results.replicate_number(r.replicate) for r in open_ended)
                which = "every replicate" if len(open_ended) == len(counted) > 1 else _replicates(numbers)
                late.append(f"{group.arm} ({which})")
        if late:
            clauses.append(f"{wording.listed(late)} {words}")
    return wording.listed(clauses)


def counted_doubts(results: Sequence[Result]) -> str:
    """`2 had not converged, 1 may not have converged`; empty if all had converged."""
    found = Counter(answer(result) for result in results)
    return ", ".join(f"{found[doubt]} {words}" for doubt, words in DOUBTS.items() if found[doubt])


def _replicates(numbers: Sequence[int]) -> str:
    return f"replicate{'s' * (len(numbers) > 1)} {wording.listed([str(n) for n in numbers])}"


def is_same_run(group: Group, baseline: Group, comparison: Comparison) -> bool:
    """Return True if each replicate is the baseline's own run: one key, or the same numbers at every validation."""
    if any(comparison.differences):
        return False
    theirs = {r.replicate: r for r in baseline.results}
    pairs = [(r, theirs[r.replicate]) for r in group.results if r.replicate in comparison.replicates]
    return all(same_run(ours, other) for ours, other in pairs)


def same_run(a: Result, b: Result) -> bool:
    """Return True if two cells share a key, or every number of their training."""
    if a.planned.key == b.planned.key:
        return True
    if a.record is None or b.record is None or not a.record.history:
        return False
    return a.record.best == b.record.best and a.record.final == b.record.final and _trail(a) == _trail(b)


def _trail(result: Result) -> list[tuple[object, ...]]:
    assert result.record is not None
    select = _select(result)
    return [(v.step, v.metrics.get("train/loss"), v.metrics.get(select)) for v in result.record.history]


def _select(result: Result) -> str:
    """The metric that selected this cell's checkpoint."""
    assert result.record is not None
    return str(result.record.trial.get("evaluate", {}).get("select", ""))
