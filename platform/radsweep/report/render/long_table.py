"""The comparisons as a long table: one row for each arm, size and metric."""

from __future__ import annotations

import csv
import dataclasses
import io
from dataclasses import dataclass

from radsweep.errors import InputError
from radsweep.report.analysis.claims import claim_of
from radsweep.report.analysis.results import Group, Results
from radsweep.report.tables.arm_changes import arm_changes
from radsweep.report.tables.comparisons import other_metrics
from radsweep.store.records import SweepRecord


@dataclass(frozen=True)
class ComparisonRow:
    """Differences and values are in units of the metric: a recall of 0.19 is 19 %. None: not known, or not defined."""

    arm: str
    changes: str  # from the baseline, `key: value`
    pairs: int | None  # None: all
    metric: str
    difference: float | None  # from the baseline
    difference_low: float | None  # simultaneous 95 % interval
    difference_high: float | None
    p_adjusted: float | None
    verdict: str  # empty for the baseline, and for metrics that the report makes no claim about
    reason: str  # why the verdict is no more than it is
    replicates: int
    planned: int  # replicates
    value: float | None
    value_low: float | None  # 95 % interval
    value_high: float | None


def refuse_other_kinds(sweep: SweepRecord, form: str) -> None:
    """Raise InputError if there is nothing to compare."""
    if sweep.kind != "ablation":
        raise InputError(
            f"{sweep.id} is a {sweep.kind}, and {form} is a table of an ablation's comparisons; use --format json"
        )


def long_table(results: Results) -> list[ComparisonRow]:
    """Rows of the metric that the report is about, then those of other metrics with intervals."""
    metrics = (results.metric, *other_metrics(results))
    return [_row(results, group, metric) for metric in metrics for group in results.groups]


def render_csv(results: Results) -> str:
    """Numbers in full; what is not known is empty, and `pairs` is `all` without a number."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(field.name for field in dataclasses.fields(ComparisonRow))
    for row in long_table(results):
        shown = dataclasses.asdict(row) | {"pairs": "all" if row.pairs is None else row.pairs}
        table.writerow("" if value is None else value for value in shown.values())
    return out.getvalue()


def _row(results: Results, group: Group, metric: str) -> ComparisonRow:
    evidence, place = results.evidence_of(metric), (group.arm, group.size)
    spread, level, change = group.spread(metric), evidence.levels.get(place), evidence.differences.get(place)
    averages = results.comparison(group, metric)
    claim = claim_of(results, group) if metric == results.metric else None
    difference = change.estimate if change else averages.difference.mean if averages else None
    return ComparisonRow(
        arm=group.arm,
        changes="; ".join(f"{change.key}: {change.value}" for change in arm_changes(results, group.arm)),
        pairs=group.size,
        metric=metric,
        difference=difference,
        difference_low=change.low if change else None,
        difference_high=change.high if change else None,
        p_adjusted=change.p_adjusted if change else None,
        verdict=claim.verdict if claim else "",
        reason=claim.why if claim else "",
        replicates=len(group.measured(metric)),
        planned=len(group.results),
        value=level.estimate if level else spread.mean if spread else None,
        value_low=level.low if level else None,
        value_high=level.high if level else None,
    )
