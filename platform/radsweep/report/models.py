"""Public models, as they are, beside the sweep's arms: measured on the same test split, never trained here."""

from __future__ import annotations

from radsweep.evaluation.queries import QueryResults
from radsweep.evaluation.statistics import Interval
from radsweep.evaluation.summary import Replicate
from radsweep.report import wording
from radsweep.report.estimation import Place
from radsweep.report.evidence import Runs, evidence
from radsweep.report.results import Results
from radsweep.report.tables import Table

_MEASURES = (
    "test/text_to_image/recall_at_10",
    "test/image_to_text/recall_at_10",
    "test/zero_shot/auroc",
    "test/linear_probe/100_percent/auroc",
)


def public_models(results: Results) -> Table:
    """A row for each model of `evaluate.against`; intervals hold patients alone."""
    measured = [r for r in results.references if r.record and r.record.status == "finished"]
    test = "test/" + results.sweep.select.split("/", 1)[1]
    metrics = list(dict.fromkeys((test, *_MEASURES)))
    metrics = [metric for metric in metrics if any(r.record and metric in r.record.final for r in measured)]
    levels: dict[tuple[str, str], Interval] = {}
    for metric in metrics:
        queries: dict[Place, dict[Replicate, QueryResults | None]] = {}
        recorded: dict[Place, dict[Replicate, float]] = {}
        for r in measured:
            queries[r.planned.arm, None] = {r.replicate: results.queries(r.planned.key)}
            if r.record and metric in r.record.final:
                recorded[r.planned.arm, None] = {r.replicate: r.record.final[metric]}
        levels |= {
            (place[0], metric): of for place, of in evidence(metric, "", Runs(queries, recorded, {})).levels.items()
        }
    rows = []
    for r in results.references:
        shown = []
        for metric in metrics:
            value = r.record.final.get(metric) if r.record else None
            level = levels.get((r.planned.arm, metric))
            shown.append(wording.value_bracketed(metric, level) if level else wording.number(metric, value))
        error = "" if r.record is None else r.record.error or ""
        rows.append((r.planned.arm, *shown, error, r.planned.key[:12]))
    head = ("model", *(wording.metric_name(metric) for metric in metrics), "error", "key")
    if not any(row[-2] for row in rows):
        head, rows = (*head[:-2], "key"), [(*row[:-2], row[-1]) for row in rows]
    return Table("Public models on the same test split", head, tuple(rows))
