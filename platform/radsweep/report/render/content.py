"""Everything the report says, as plain data: the HTML, the Markdown and the JSON are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from radsweep.evaluation.statistics import Importances
from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.tables import comparisons as evidence_tables
from radsweep.report.tables import overview
from radsweep.report.tables.arm_cells import Entry, arm_entry
from radsweep.report.tables.class_measures import by_class, further, measured_what
from radsweep.report.tables.pareto_front import front_table
from radsweep.report.tables.public_models import public_models
from radsweep.report.tables.table import Table
from radsweep.report.tables.tuning import tuning, tuning_notes
from radsweep.report.text.best import (
    best_yaml,
    candidate_yaml,
    experiment_of,
    experiment_yaml,
    how_chosen,
    why_candidate,
)
from radsweep.report.text.findings import findings
from radsweep.report.text.limits import adaptation
from radsweep.report.text.public_models import CAUTION
from radsweep.report.text.recommendation import Recommendation, recommendation
from radsweep.report.text.verdicts import Finding, rule
from radsweep.report.text.warnings import warnings
from radsweep.store.selection import Selection


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
    recommendation: Recommendation | None
    entries: list[Entry]
    comparisons: Table
    effects: Table
    levels: Table
    measures: Table
    further: Table
    by_class: Table
    tuning: Table
    models: Table
    models_about: str
    importances: Importances | None
    importances_table: Table
    top: Table
    front: Table
    others: Table
    chosen: str
    best: dict[str, Any] | None
    best_yaml: str
    candidate: str  # why it is one
    candidate_yaml: str
    warnings: list[str]
    cost: Table
    stages: Table
    data: list[Table]
    provenance: Table
    limits: list[str]
    experiment: str
    cells: Table


def content(results: Results, chosen: Selection) -> Content:
    metric = results.metric
    ablation = results.sweep.kind == "ablation"
    found, important = findings(results), evidence_tables.searched_importances(results)
    advice = recommendation(results, chosen, found)
    evidence = advice.evidence if advice else ""
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
        rule=rule(results) if ablation and results.measured else "",
        findings=found,
        recommendation=advice,
        entries=[arm_entry(results, group) for group in results.groups] if ablation else [],
        comparisons=evidence_tables.comparisons(results),
        effects=evidence_tables.effects(results),
        levels=evidence_tables.levels(results),
        measures=evidence_tables.measures(results),
        further=further(results),
        by_class=by_class(results),
        tuning=tuning(results),
        models=public_models(results),
        models_about=CAUTION if results.references else "",
        importances=important,
        importances_table=evidence_tables.importances(important),
        top=overview.top_trials(results),
        front=front_table(results),
        others=overview.other_metrics(results),
        chosen=how_chosen(results, chosen),
        best=experiment_of(results, chosen.recommended, "best"),
        best_yaml=best_yaml(results, chosen, evidence),
        candidate=why_candidate(results, chosen),
        candidate_yaml=candidate_yaml(results, chosen, evidence),
        warnings=warnings(results),
        cost=overview.cost(results),
        stages=overview.stages(results),
        data=overview.data_card(results),
        provenance=overview.provenance(results),
        limits=_limits(results),
        experiment=experiment_yaml(results),
        cells=overview.all_cells(results),
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
    ranked = f"Checkpoints and winners were chosen by {selected}; the test split had no part in any choice."
    if results.sweep.kind == "ablation" and results.metric.startswith("test/"):
        ranked = (
            f"Checkpoints were chosen and arms ranked by {selected}; the test split decides only whether an arm is "
            "shown to be better than the baseline."
        )
    limits = [
        ranked,
        f"Measured were {measured_what(results)}. The numbers are of these studies; they say nothing of other "
        "hospitals, or of clinical use.",
    ]
    limits += [*tuning_notes(results), *adaptation(results)]
    if results.sweep.kind == "ablation":
        limits += [
            "± is the standard deviation over replicates (subset of studies and start); intervals hold the noise of a "
            "finite set of patients as well.",
            "Compute counts the adaptation of an arm's towers in full, though a sweep runs each stage once.",
            *results.evidence.notes,
        ]
    return limits
