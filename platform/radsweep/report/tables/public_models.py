"""The table of public models, measured without training on the same test split."""

from __future__ import annotations

from radsweep.config.metrics import Metric
from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.tables.table import Table, short_key
from radsweep.report.text.public_models import measured_models, model_evidence, model_value

_MEASURES = (
    "test/text_to_image/recall_at_10",
    "test/image_to_text/recall_at_10",
    "test/zero_shot/auroc",
    "test/linear_probe/100_percent/auroc",
)


def public_models(results: Results) -> Table:
    """A row for each model of `evaluate.public_models`; intervals cover only patients."""
    measured = measured_models(results)
    test = str(Metric(results.sweep.select).on("test"))
    metrics = list(dict.fromkeys((test, *_MEASURES)))
    metrics = [metric for metric in metrics if any(r.record and metric in r.record.final for r in measured)]
    found = {metric: model_evidence(results, metric) for metric in metrics}
    rows = []
    for r in results.references:
        shown = [model_value(r, metric, found[metric]) for metric in metrics]
        error = "" if r.record is None else r.record.error or ""
        rows.append((r.planned.arm, *shown, error, short_key(r.planned.key)))
    head = ("model", *(wording.metric_name(metric) for metric in metrics), "error", "key")
    if not any(row[-2] for row in rows):
        head, rows = (*head[:-2], "key"), [(*row[:-2], row[-1]) for row in rows]
    return Table("Public models on the same test split", head, tuple(rows))
