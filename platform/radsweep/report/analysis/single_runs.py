"""Statistics of runs that are not replicates of an arm: a search's winner, one trial, public models."""

from __future__ import annotations

from collections.abc import Iterable

from radsweep.evaluation.statistics import Interval
from radsweep.evaluation.summary import Replicate
from radsweep.report.analysis.evidence import Evidence, Runs, evidence
from radsweep.report.analysis.results import Result, Results
from radsweep.store.records import ArmSize


def evidence_of_runs(results: Results, metric: str, runs: Iterable[Result]) -> Evidence:
    """Statistics of each run that has the metric, by the key of its cell; intervals cover only patients."""
    cells: dict[ArmSize, dict[Replicate, str]] = {}
    recorded: dict[ArmSize, dict[Replicate, float]] = {}
    for r in runs:
        value = r.value(metric)
        if value is not None:
            cells[r.planned.key, None] = {r.replicate: r.planned.key}
            recorded[r.planned.key, None] = {r.replicate: value}
    return evidence(metric, "", Runs(cells, results.queries, recorded, {}))


def interval_of_run(results: Results, metric: str, run: Result) -> Interval | None:
    """The interval of one run's metric over patients; None without results of its queries."""
    return evidence_of_runs(results, metric, [run]).levels.get((run.planned.key, None))
