"""Everything the report says, as plain data: the HTML, the Markdown and the JSON are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from radsweep.report import tables, wording
from radsweep.report.adaptation import adaptation
from radsweep.report.best import best_experiment, best_yaml, experiment_yaml, how_chosen
from radsweep.report.checks import warnings
from radsweep.report.claims import RULE, Finding, verdict
from radsweep.report.findings import findings
from radsweep.report.results import Group, Results, best_result
from radsweep.report.tables import Table


@dataclass(frozen=True)
class Entry:
    """One cell of the table arms x sizes, with what it is to be read beside."""

    arm: str
    size: int | None
    shown: str  # 18.1 % ± 1.3
    mean: float | None
    deviation: float | None
    replicates: int
    planned: int
    converged: int
    failed: int
    difference: float | None  # mean of the paired differences from the baseline
    difference_shown: str
    difference_deviation: float | None
    difference_deviation_shown: str
    paired: int
    verdict: str
    best: bool  # the largest mean of its size


@dataclass(frozen=True)
class Content:
    """In the order in which it is read."""

    title: str
    subtitle: str
    kind: str
    metric: str
    metric_name: str
    metric_explained: str
    chance: float | None
    chance_shown: str
    pool: int | None
    rule: str
    findings: list[Finding]
    entries: list[Entry]
    top: Table
    others: Table
    chosen: str
    best: dict[str, Any] | None
    best_yaml: str
    warnings: list[str]
    cost: Table
    data: list[Table]
    provenance: Table
    limits: list[str]
    experiment: str
    cells: Table


def content(results: Results) -> Content:
    metric, best = results.metric, best_result(results)
    ablation = results.sweep.kind == "ablation"
    return Content(
        title=results.sweep.name,
        subtitle=_subtitle(results),
        kind=results.sweep.kind,
        metric=metric,
        metric_name=wording.metric_name(metric),
        metric_explained=wording.explained(metric, results.pool()),
        chance=results.chance(),
        chance_shown=wording.number(metric, results.chance()),
        pool=results.pool(),
        rule=RULE if ablation else "",
        findings=findings(results),
        entries=[arm_entry(results, group) for group in results.groups] if ablation else [],
        top=tables.top_trials(results),
        others=tables.other_metrics(results),
        chosen=how_chosen(results, best) if best else "",
        best=best_experiment(results),
        best_yaml=best_yaml(results) or "",
        warnings=warnings(results),
        cost=tables.cost(results),
        data=tables.data_card(results),
        provenance=tables.provenance(results),
        limits=_limits(results),
        experiment=experiment_yaml(results),
        cells=tables.all_cells(results),
    )


def _subtitle(results: Results) -> str:
    sweep = results.sweep
    ended = len([r for r in results.all if r.record])
    parts = [f"{sweep.kind}, {sweep.status}", f"{ended:,} of {wording.count(len(results.all), 'cell')}"]
    if name := sweep.data.get("name"):
        parts.append(f"data set {name}")
    if day := (sweep.ended or sweep.created)[:10]:
        parts.append(day)
    return " · ".join(parts)


def _limits(results: Results) -> list[str]:
    selected = wording.metric_name(results.sweep.select)
    limits = [
        f"Checkpoints and winners were chosen by {selected}; the test split had no part in any choice.",
        "All numbers are of retrieval within one data set; they say nothing of other hospitals, or of clinical use.",
    ]
    limits += list(adaptation(results))
    if results.sweep.kind == "ablation":
        limits += [
            "± is the standard deviation over replicates (subset of studies and start); the noise of a finite pool of "
            "queries is common to all arms and comes on top.",
            "Every arm ran at one setting of its own: that an arm adds little means little at this setting.",
        ]
    return limits


def arm_entry(results: Results, group: Group) -> Entry:
    comparison = results.comparison(group)
    found = group.spread(results.metric)
    measured = group.measured(results.metric)
    means = [s.mean for g in results.groups if g.size == group.size and (s := g.spread(results.metric))]
    top = (max(means) if results.higher else min(means)) if len(means) > 1 else None
    change = comparison.difference if comparison else None
    return Entry(
        arm=group.arm,
        size=group.size,
        shown=wording.with_deviation(results.metric, found),
        mean=found.mean if found else None,
        deviation=found.deviation if found else None,
        replicates=len(measured),
        planned=len(group.results),
        converged=sum(bool(r.record and r.record.converged) for r in measured),
        failed=sum(r.status == "failed" for r in group.results),
        difference=change.mean if change else None,
        difference_shown=wording.difference(results.metric, change.mean) if change else "",
        difference_deviation=change.deviation if change else None,
        difference_deviation_shown=wording.deviation(results.metric, change) if change else "",
        paired=change.n if change else 0,
        verdict=verdict(results, group, comparison) if comparison else "",
        best=found is not None and found.mean == top,
    )
