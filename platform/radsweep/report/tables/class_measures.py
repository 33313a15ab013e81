"""Measures without a row with an interval: of classes, of further data sets, of the local score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from radsweep.config.metrics import CLASSIFICATION, DIRECTIONS, PRECISION_AT
from radsweep.report import wording
from radsweep.report.analysis.results import Group, Result, Results
from radsweep.report.tables.comparisons import other_metrics
from radsweep.report.tables.table import Table, cell_numbers, size_cell

_MEASURE = "|".join((*CLASSIFICATION, *(f"precision_at_{k}" for k in PRECISION_AT)))
_OF_CLASSES = re.compile(
    rf"test/(?:(?P<set>.+?)/)?(?P<task>zero_shot|linear_probe|class_retrieval)(?P<size>/[\d.]+_percent)?/"
    rf"(?:(?P<of>.+)/)?(?P<measure>{_MEASURE})"
)
_TASKS = {
    "zero_shot": "zero-shot classification",
    "linear_probe": "a linear probe",
    "class_retrieval": "class retrieval",
}


class Name(NamedTuple):
    """`test/nih/linear_probe/10_percent/Edema/auroc`, split into its parts."""

    dataset: str  # of evaluate.sets; empty for the sweep's own
    task: str
    of: str  # class; empty for a macro mean
    macro: str  # the macro metric of the same measure


def parsed(metric: str) -> Name | None:
    """Parse a metric; None for a metric that is not of classes. The names of a set and of a class may hold slashes."""
    found = _OF_CLASSES.fullmatch(metric)
    if found is None:
        return None
    of = found["of"] or ""
    macro = f"{metric[: found.start('of') - 1]}/{found['measure']}" if of else metric
    return Name(found["set"] or "", found["task"], of, macro)


def further(results: Results) -> Table:
    """Macro measures beyond retrieval, with their chance levels and the reason why they have no interval."""
    return _table(results, "Further measures", by_class=False)


def by_class(results: Results) -> Table:
    """The same measures of each class."""
    return _table(results, "Measures by class", by_class=True)


def measured_what(results: Results) -> str:
    """`retrieval, and zero-shot classification on nih`: the tasks behind the report's numbers."""
    places: dict[str, list[str]] = {}
    metrics = _known(results)
    if any("_local/" in metric for metric in metrics):
        places["retrieval by the local score"] = [""]
    for metric in metrics:
        if name := parsed(metric):
            where = places.setdefault(_TASKS[name.task], [])
            if name.dataset not in where:
                where.append(name.dataset)
    own = ["retrieval", *(task for task, where in places.items() if "" in where)]
    sets: dict[str, list[str]] = {}
    for task, where in places.items():
        for dataset in filter(None, where):
            sets.setdefault(dataset, []).append(task)
    elsewhere = [f"{wording.listed(tasks)} on {dataset}" for dataset, tasks in sets.items()]
    return "; ".join([f"{wording.listed(own)} on {results.sweep.data.get('name') or 'one data set'}", *elsewhere])


def _known(results: Results) -> list[str]:
    """Metrics of the test split in the records' order."""
    return list(dict.fromkeys(name for r in results.all if r.record for name in r.record.final))


def _table(results: Results, title: str, by_class: bool) -> Table:
    metrics = [m for m in _known(results) if _beyond_retrieval(m) and bool(_class_of(m)) == by_class]
    if results.sweep.kind != "ablation":
        best = results.leader
        rows = list(_of_one(results, best, metrics)) if best else []
        return Table(title, ("measure", "value", "chance"), tuple(rows))
    found = [row for metric in metrics for group in results.groups for row in _of_group(results, group, metric)]
    head = ("measure", "arm", "pairs", "value", "chance", "n", "no interval, because", "cells")
    if not by_class:
        return Table(title, head, tuple(found))
    return Table(title, (*head[:6], head[7]), tuple((*row[:6], row[7]) for row in found))


def _of_one(results: Results, best: Result, metrics: list[str]) -> Iterator[tuple[str, ...]]:
    for metric in metrics:
        if (value := best.value(metric)) is not None:
            yield (_named(metric), wording.number(metric, value), wording.number(metric, results.chance(metric)))


def _of_group(results: Results, group: Group, metric: str) -> Iterator[tuple[str, ...]]:
    found = group.spread(metric)
    why = "" if _class_of(metric) else _why_no_interval(results, group, metric)
    if found is None or (not _class_of(metric) and not why):
        return
    yield (
        _named(metric),
        group.arm,
        size_cell(group.size),
        wording.with_deviation(metric, found),
        wording.number(metric, results.chance(metric)),
        str(found.n),
        why,
        cell_numbers(group.measured(metric)),
    )


def _why_no_interval(results: Results, group: Group, metric: str) -> str:
    """Reason for a missing interval; empty if the measures with intervals have this row."""
    if not results.metric.startswith("test/"):
        return "some cells have no numbers of the test split"
    if parsed(metric) is None and metric not in other_metrics(results):
        return f"intervals by the local score are only of {wording.short_name(results.metric)}"
    evidence, place = results.evidence_of(metric), (group.arm, group.size)
    if gap := evidence.gap or evidence.gaps.get(place):
        return gap
    if evidence.left_out:
        return f"too few patients have {wording.listed(evidence.left_out)}, or have not: see the mean without"
    return ""


def _beyond_retrieval(metric: str) -> bool:
    return metric.rsplit("/", 2)[-2].removesuffix("_same_text") not in DIRECTIONS


def _class_of(metric: str) -> str:
    name = parsed(metric)
    return name.of if name else ""


def _named(metric: str) -> str:
    """The measure, its task and set, then its class."""
    name = parsed(metric)
    return f"{wording.metric_name(name.macro)}: {name.of}" if name and name.of else wording.metric_name(metric)
