"""A search of two aims: the trials that no other beats in both score and cost."""

from __future__ import annotations

from typing import NamedTuple

from radsweep.report import wording
from radsweep.report.figures import Figure, metric_axis
from radsweep.report.results import Result, Results, searched
from radsweep.report.svg import COLOURS, drawing
from radsweep.report.tables import Table
from radsweep.store.pareto import cost_of, front

COSTS = {"seconds": "seconds of training", "samples": "studies seen in training", "parameters": "parameters"}
NONE = Table("", (), ())


class Point(NamedTuple):
    """A finished trial."""

    result: Result
    score: float
    cost: float


def front_table(results: Results) -> Table:
    """From the cheapest on; empty where a search has one aim."""
    cost, points = asked_cost(results), _points(results)
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


def front_figure(results: Results) -> Figure | None:
    cost, points = asked_cost(results), _points(results)
    if cost is None or not points:
        return None
    best = on_front(results, points)
    select = results.sweep.select
    with drawing("front", f"{wording.metric_name(select)} against {COSTS[cost]}", 5.6, 3.0) as picture:
        axes = picture.axes
        axes.plot([p.cost for p in points], [p.score for p in points], "o", color=COLOURS[0], alpha=0.5, ms=4)
        axes.step(
            [p.cost for p in best],
            [p.score for p in best],
            where="post",
            marker="D",
            markersize=5,
            color=COLOURS[1],
        )
        axes.set_xlabel(COSTS[cost])
        metric_axis(axes, select)
    return Figure("Score against cost", picture.svg, "Diamonds: trials that no other beats in both.")


def asked_cost(results: Results) -> str | None:
    cost: str | None = (results.sweep.experiment.get("search") or {}).get("cost")
    return cost


def on_front(results: Results, points: list[Point]) -> list[Point]:
    sign = 1 if results.higher else -1
    return [points[i] for i in front([(sign * r.score, r.cost) for r in points])]


def _points(results: Results) -> list[Point]:
    cost = asked_cost(results)
    if cost is None:
        return []
    return [
        Point(result, score, cost_of(result.record, cost))
        for result in results.measured
        if result.record and result.status == "finished" and (score := result.value(results.sweep.select)) is not None
    ]
