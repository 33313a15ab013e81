"""The table of arms by number of pairs: what each changes, its difference from the baseline, its verdict, its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radsweep.config.metrics import Metric
from radsweep.evaluation.statistics import Difference, Interval, Multiplier, Outlook
from radsweep.evaluation.summary import Spread
from radsweep.report.analysis.claims import Verdict, claim_of
from radsweep.report.analysis.compute import Gain, Relative, gain, relative
from radsweep.report.analysis.convergence import counted_doubts
from radsweep.report.analysis.results import Group, Results
from radsweep.report.tables.arm_changes import Change, arm_changes
from radsweep.report.text import multipliers
from radsweep.report.text.best import selection
from radsweep.report.text.findings import findings
from radsweep.report.text.verdicts import Finding
from radsweep.store.selection import Reason


@dataclass(frozen=True)
class CellValue:
    spread: Spread | None  # over replicates; None if nothing was measured
    interval: Interval | None
    best: bool  # True if its mean is the best of its size


@dataclass(frozen=True)
class CellReplicates:
    measured: int
    planned: int
    doubts: str  # `2 still rising, 1 cannot tell`; empty if all had converged
    failed: int
    untested: int  # without a number of the test split, which the metric is of; 0 if the metric is of another
    cells: tuple[int, ...]  # numbers of the cells that the value comes from


@dataclass(frozen=True)
class CellComparison:
    """Arm minus baseline at the same size, over the replicates that both have."""

    verdict: Verdict
    difference: float  # mean of the paired differences
    spread: Spread  # of the paired differences
    change: Difference | None  # the difference with its interval and p
    why: str  # the verdict is no more than it is, as the end of a sentence
    outlook: Outlook | None  # of an open comparison: what it could have shown, and what would decide it
    gain: Gain | None  # the difference beside the time that one run took


@dataclass(frozen=True)
class CellMultiplier:
    found: Multiplier
    doubt: str  # reason not to trust it


@dataclass(frozen=True)
class ArmCell:
    """An arm at a number of pairs."""

    arm: str
    size: int | None
    value: CellValue
    replicates: CellReplicates
    comparison: CellComparison | None  # None for the baseline, or if the two share no replicate
    compute: Relative | None  # times the baseline's
    multiplier: CellMultiplier | None
    best: float | None  # probability that it is the best arm of its size

    @property
    def verdict(self) -> Verdict | None:
        return self.comparison.verdict if self.comparison else None


@dataclass(frozen=True)
class ArmRow:
    arm: str
    changes: tuple[Change, ...]  # from the baseline
    cells: tuple[ArmCell | None, ...]  # by size; None if the plan has no such cell
    compute: Relative | None  # over all sizes
    findings: tuple[Finding, ...]  # its comparisons in sentences
    recommended: bool

    def at(self, size: int | None) -> ArmCell | None:
        return next((cell for cell in self.cells if cell and cell.size == size), None)


@dataclass(frozen=True)
class ArmTable:
    baseline: str
    sizes: tuple[int | None, ...]
    rows: tuple[ArmRow, ...]
    intervals: bool  # True if values have intervals
    decided_at: int | None  # size that the recommendation is about, and that columns of one size show
    shown_better: bool  # True if the recommended arm helped there
    shared_why: str  # the one reason why nothing in the table can be claimed, given below it and not in each cell

    @property
    def cells(self) -> list[ArmCell]:
        return [cell for row in self.rows for cell in row.cells if cell]

    @property
    def has_best(self) -> bool:
        return any(cell.best is not None for row in self.rows if (cell := row.at(self.decided_at)))

    @property
    def reach(self) -> tuple[float, float]:
        """Lowest and highest end of all intervals of differences, 0 included."""
        changes = [cell.comparison.change for cell in self.cells if cell.comparison and cell.comparison.change]
        ends = [0.0, *(end for change in changes for end in (change.low, change.high))]
        return min(ends), max(ends)


def arm_table(results: Results) -> ArmTable:
    """Return the table of arms; it has no rows if the sweep is not an ablation."""
    rows, chosen = [], selection(results)
    best = chosen.recommended.arm if chosen.recommended else None
    for arm in results.arms if results.sweep.kind == "ablation" else ():
        groups = [results.group(arm, size) for size in results.sizes]
        rows.append(
            ArmRow(
                arm,
                arm_changes(results, arm),
                tuple(arm_cell(results, group) if group else None for group in groups),
                relative(results, arm, results.sizes),
                tuple(finding for finding in findings(results) if finding.arm == arm),
                arm == best,
            )
        )
    return ArmTable(
        results.sweep.baseline,
        tuple(results.sizes),
        tuple(rows),
        bool(results.evidence.levels),
        decided_at=chosen.recommended.pairs if chosen.recommended else next(reversed(results.sizes), None),
        shown_better=chosen.reason == Reason.SHOWN_BETTER,
        shared_why=_shared_why(results, rows),
    )


def _shared_why(results: Results, rows: Sequence[ArmRow]) -> str:
    """The reason that all comparisons of several share; empty if one has another or a verdict."""
    compared = [cell.comparison for row in rows for cell in row.cells if cell and cell.comparison]
    reasons = {found.why if found.verdict == "cannot be claimed" else "" for found in compared}
    if results.evidence.gap:
        reasons.discard("")  # arms that are the baseline itself need no reason
    several = len(compared) > 1 or results.evidence.gap
    return reasons.pop() if several and len(reasons) == 1 else ""


def arm_cell(results: Results, group: Group) -> ArmCell:
    place, measured = (group.arm, group.size), group.measured(results.metric)
    spread, multiplier = group.spread(results.metric), results.evidence.multipliers.get(place)
    return ArmCell(
        arm=group.arm,
        size=group.size,
        value=CellValue(
            spread,
            results.evidence.levels.get(place),
            best=spread is not None and spread.mean == _top(results, group),
        ),
        replicates=CellReplicates(
            measured=len(measured),
            planned=len(group.results),
            doubts=counted_doubts(measured),
            failed=sum(r.status == "failed" for r in group.results),
            untested=len(group.untested(results.metric)),
            cells=tuple(r.planned.number for r in measured),
        ),
        comparison=_comparison(results, group),
        compute=relative(results, group.arm, [group.size]),
        multiplier=CellMultiplier(multiplier, multipliers.multiplier_doubt(results, group)) if multiplier else None,
        best=results.evidence.best.get(place),
    )


def _comparison(results: Results, group: Group) -> CellComparison | None:
    found, claim = results.comparison(group), claim_of(results, group)
    if found is None or claim is None:
        return None
    difference = claim.change.estimate if claim.change else found.difference.mean
    return CellComparison(
        verdict=claim.verdict,
        difference=difference,
        spread=found.difference,
        change=claim.change,
        why=claim.why,
        outlook=claim.outlook,
        gain=gain(results, group, difference),
    )


def _top(results: Results, group: Group) -> float | None:
    """The best mean of a size with several arms."""
    means = [s.mean for g in results.groups if g.size == group.size and (s := g.spread(results.metric))]
    return Metric(results.metric).best(means) if len(means) > 1 else None
