"""Pareto front of a search with two aims: the trials that no other beats in both score and cost."""

from __future__ import annotations

from typing import NamedTuple

from radsweep.config.metrics import Metric
from radsweep.report import wording
from radsweep.report.analysis.results import Result, Results, searched
from radsweep.report.tables.table import Table
from radsweep.store.pareto import cost_of, pareto_front

COSTS = {"seconds": "seconds of training", "samples": "studies seen in training", "parameters": "parameters"}
NONE = Table("", (), ())


class Point(NamedTuple):
    """A finished trial."""

    result: Result
    score: float
    cost: float


def front_table(results: Results) -> Table:
    """Table that starts at the cheapest trial; empty if a search has one aim."""
    cost, points = asked_cost(results), finished_points(results)
    if cost is None or not points:
        return NONE
    keys = searched(results)
    rows = tuple(
        (
            str(point.result.planned.number),
            wording.number(results.sweep.select, point.score),
            f"{point.cost:,.3g}" if cost == "seconds" else f"{point.cost:,.0f}",
            *(wording.setting(point.result.planned.changes.get(key, "–")) for key in keys),
        )
        for point in on_front(results, points)
    )
    head = ("trial", wording.metric_name(results.sweep.select), COSTS[cost], *keys)
    return Table(f"Score against cost: the {len(rows)} of {len(points)} trials that none beats in both", head, rows)


def asked_cost(results: Results) -> str | None:
    search = results.sweep.search
    return search.cost if search else None


def on_front(results: Results, points: list[Point]) -> list[Point]:
    sign = Metric(results.metric).sign
    return [points[i] for i in pareto_front([(sign * r.score, r.cost) for r in points])]


def finished_points(results: Results) -> list[Point]:
    cost = asked_cost(results)
    if cost is None:
        return []
    return [
        Point(result, score, cost_of(result.record, cost))
        for result in results.measured
        if result.record and result.status == "finished" and (score := result.value(results.sweep.select)) is not None
    ]
