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
