"""The table of arms by number of pairs: a value, its difference from the baseline, compute and multiplier."""

from __future__ import annotations

from dataclasses import dataclass

from radsweep.config.metrics import Metric
from radsweep.evaluation.statistics import Difference, Interval, Multiplier
from radsweep.evaluation.summary import Spread
from radsweep.report.analysis.claims import Verdict, claim_of
from radsweep.report.analysis.compute import Relative, relative
from radsweep.report.analysis.convergence import counted_doubts
from radsweep.report.analysis.results import Group, Results
from radsweep.report.text import multipliers


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

    @property
    def verdict(self) -> Verdict | None:
        return self.comparison.verdict if self.comparison else None


@dataclass(frozen=True)
class ArmRow:
    arm: str
    cells: tuple[ArmCell | None, ...]  # by size; None if the plan has no such cell
    compute: Relative | None  # over all sizes


@dataclass(frozen=True)
class ArmTable:
    baseline: str
    sizes: tuple[int | None, ...]
    rows: tuple[ArmRow, ...]
    intervals: bool  # True if values have intervals

    @property
    def cells(self) -> list[ArmCell]:
        return [cell for row in self.rows for cell in row.cells if cell]


def arm_table(results: Results) -> ArmTable:
    """Return the table of arms; it has no rows if the sweep is not an ablation."""
    rows = []
    for arm in results.arms if results.sweep.kind == "ablation" else ():
        groups = [results.group(arm, size) for size in results.sizes]
        cells = tuple(arm_cell(results, group) if group else None for group in groups)
        rows.append(ArmRow(arm, cells, relative(results, arm, results.sizes)))
    return ArmTable(results.sweep.baseline, tuple(results.sizes), tuple(rows), bool(results.evidence.levels))


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
    )


def _comparison(results: Results, group: Group) -> CellComparison | None:
    found, claim = results.comparison(group), claim_of(results, group)
    if found is None or claim is None:
        return None
    return CellComparison(
        verdict=claim.verdict,
        difference=claim.change.estimate if claim.change else found.difference.mean,
        spread=found.difference,
        change=claim.change,
        why=claim.why,
    )


def _top(results: Results, group: Group) -> float | None:
    """The best mean of a size with several arms."""
    means = [s.mean for g in results.groups if g.size == group.size and (s := g.spread(results.metric))]
    return Metric(results.metric).best(means) if len(means) > 1 else None
