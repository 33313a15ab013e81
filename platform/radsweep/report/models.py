"""Public models, as they are, beside the sweep's arms: measured on the same test split, never trained here."""

from __future__ import annotations

from radsweep.evaluation.summary import Replicate
from radsweep.report import wording
from radsweep.report.estimation import Place
from radsweep.report.evidence import Evidence, Runs, evidence
from radsweep.report.results import Result, Results
from radsweep.report.tables import Table, short_key

_MEASURES = (
    "test/text_to_image/recall_at_10",
    "test/image_to_text/recall_at_10",
    "test/zero_shot/auroc",
    "test/linear_probe/100_percent/auroc",
)
CAUTION = (
    "As published, not trained here; intervals hold the noise of patients alone. What such a model was trained on is "
    "not known to radsweep: it may have seen these studies."
)


def public_models(results: Results) -> Table:
    """A row for each model of `evaluate.against`; intervals hold patients alone."""
    measured = _measured(results)
    test = "test/" + results.sweep.select.split("/", 1)[1]
    metrics = list(dict.fromkeys((test, *_MEASURES)))
    metrics = [metric for metric in metrics if any(r.record and metric in r.record.final for r in measured)]
    found = {metric: _evidence(results, metric) for metric in metrics}
    rows = []
    for r in results.references:
        shown = [_value(r, metric, found[metric]) for metric in metrics]
        error = "" if r.record is None else r.record.error or ""
        rows.append((r.planned.arm, *shown, error, short_key(r.planned.key)))
    head = ("model", *(wording.metric_name(metric) for metric in metrics), "error", "key")
    if not any(row[-2] for row in rows):
        head, rows = (*head[:-2], "key"), [(*row[:-2], row[-1]) for row in rows]
    return Table("Public models on the same test split", head, tuple(rows))


def beside_public_models(results: Results) -> str:
    """One sentence: what they reach in the metric shown, and the baseline at its largest size; empty without them."""
    metric, arm = results.metric, results.sweep.baseline
    measured = [r for r in _measured(results) if r.value(metric) is not None]
    if not measured or not metric.startswith("test/") or results.sweep.kind != "ablation":
        return ""
    found = _evidence(results, metric)
    levels = [f"{r.planned.arm} reaches {_value(r, metric, found)}" for r in measured]
    text = f"As published, {wording.listed(levels)} on the same test split"
    groups = [g for size in results.sizes if (g := results.group(arm, size)) and g.measured(metric)]
    if not groups:
        return f"{text}."
    interval, spread = results.evidence.levels.get((arm, groups[-1].size)), groups[-1].spread(metric)
    reached = wording.value_bracketed(metric, interval) if interval else wording.with_deviation(metric, spread)
    reached = f"{arm} with {wording.size_name(groups[-1].size)} reached {reached}"
    return f"{text}; {reached}. Whether such a model has seen these studies is not known."


def _measured(results: Results) -> list[Result]:
    return [r for r in results.references if r.status == "finished"]


def _evidence(results: Results, metric: str) -> Evidence:
    """Of the models that have the metric, by key: two folders of one name are two models."""
    cells: dict[Place, dict[Replicate, str]] = {}
    recorded: dict[Place, dict[Replicate, float]] = {}
    for r in _measured(results):
        value = r.value(metric)
        if value is not None:
            cells[r.planned.key, None] = {r.replicate: r.planned.key}
            recorded[r.planned.key, None] = {r.replicate: value}
    return evidence(metric, "", Runs(cells, results.queries, recorded, {}))


def _value(result: Result, metric: str, found: Evidence) -> str:
    interval = found.levels.get((result.planned.key, None))
    if interval is None:
        return wording.number(metric, result.value(metric))
    return wording.value_bracketed(metric, interval) + wording.without(found.left_out)
