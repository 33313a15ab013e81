"""Public models, as they are, beside the sweep's arms: measured on the same test split, never trained here."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.evidence import Evidence
from radsweep.report.analysis.results import Result, Results
from radsweep.report.analysis.single_runs import evidence_of_runs

CAUTION = (
    "As published, not trained here; intervals hold only the noise of patients. What such a model was trained on is "
    "not known to radsweep: it may have seen these studies."
)


def beside_public_models(results: Results) -> str:
    """One sentence: their value of the metric shown, and the baseline's at its largest size; empty without them."""
    metric, arm = results.metric, results.sweep.baseline
    measured = [r for r in measured_models(results) if r.value(metric) is not None]
    if not measured or not metric.startswith("test/") or results.sweep.kind != "ablation":
        return ""
    found = model_evidence(results, metric)
    levels = [f"{r.planned.arm} reaches {model_value(r, metric, found)}" for r in measured]
    text = f"As published, {wording.listed(levels)} on the same test split"
    groups = [g for size in results.sizes if (g := results.group(arm, size)) and g.measured(metric)]
    if not groups:
        return f"{text}."
    interval, spread = results.evidence.levels.get((arm, groups[-1].size)), groups[-1].spread(metric)
    reached = wording.value_bracketed(metric, interval) if interval else wording.with_deviation(metric, spread)
    reached = f"{arm} with {wording.size_name(groups[-1].size)} reached {reached}"
    return f"{text}; {reached}. Whether such a model has seen these studies is not known."


def measured_models(results: Results) -> list[Result]:
    return [r for r in results.references if r.status == "finished"]


def model_evidence(results: Results, metric: str) -> Evidence:
    """Names of the models that have the metric, by key: two folders of one name are two models."""
    return evidence_of_runs(results, metric, measured_models(results))


def model_value(result: Result, metric: str, found: Evidence) -> str:
    interval = found.levels.get((result.planned.key, None))
    if interval is None:
        return wording.number(metric, result.value(metric))
    return wording.value_bracketed(metric, interval) + wording.without(found.left_out)
