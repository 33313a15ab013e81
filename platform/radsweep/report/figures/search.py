"""Figures of a search: score against cost, the best so far, and the metric against each searched key."""

from __future__ import annotations

import itertools

from matplotlib.ticker import NullFormatter

from radsweep.config.metrics import Metric
from radsweep.report import wording
from radsweep.report.analysis.results import Results, searched
from radsweep.report.figures.learning_curves import Figure, draw_curve, metric_axis
from radsweep.report.figures.svg import COLOURS, FAINT, INK, drawing
from radsweep.report.tables.pareto_front import COSTS, asked_cost, finished_points, on_front


def search_figures(results: Results) -> list[Figure]:
    """Score against cost if both were searched for, best so far, and the training curves of all trials."""
    if results.sweep.kind != "search" or not results.measured:
        return []
    front = front_figure(results)
    return [*([front] if front else []), _best_so_far(results), _curves(results)]


def slices(results: Results) -> list[Figure]:
    """One panel a searched key: the value of each trial, and the metric that it reached."""
    if results.sweep.kind != "search" or not results.measured:
        return []
    return [_slice(results, key, i) for i, key in enumerate(searched(results))]


def _best_so_far(results: Results) -> Figure:
    points = [(r.planned.number, value) for r in results.measured if (value := r.value(results.metric)) is not None]
    metric = Metric(results.metric)
    best = list(itertools.accumulate((value for _, value in points), lambda *two: metric.best(two)))
    what = wording.metric_name(results.metric)
    with drawing("best-so-far", f"Best {what} after each trial", 5.6, 3.0) as picture:
        axes = picture.axes
        axes.step([n for n, _ in points], best, where="post", color=COLOURS[0], linewidth=1.8)
        axes.plot(*zip(*points, strict=True), linestyle="none", marker="o", markersize=4, color=COLOURS[0], alpha=0.6)
        if (level := results.chance()) is not None:
            axes.axhline(level, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_xlabel("trial")
        metric_axis(axes, results.metric)
    return Figure("Best so far", picture.svg, "Points: trials in the order of the plan. Line: the best up to there.")


def _curves(results: Results) -> Figure:
    best = results.leader
    with drawing("curves", f"{wording.metric_name(results.metric)} over steps, all trials", 5.6, 3.0) as picture:
        for result in results.all:
            if result is not best:
                draw_curve(picture.axes, result, results.metric, FAINT, 0.9)
        if best is not None:
            draw_curve(picture.axes, best, results.metric, COLOURS[0], 2.0)
        picture.axes.set_xlabel("optimiser steps")
        metric_axis(picture.axes, results.metric)
    return Figure("Training curves", picture.svg, "The chosen trial in colour. Dashed: not known to have converged.")


def _slice(results: Results, key: str, place: int) -> Figure:
    points = [
        (r.planned.changes[key], value, r)
        for r in results.measured
        if key in r.planned.changes and (value := r.value(results.metric)) is not None
    ]
    numeric = all(isinstance(x, int | float) and not isinstance(x, bool) for x, _, _ in points)
    names = sorted({wording.setting(x) for x, _, _ in points})
    best = results.leader
    with drawing(f"slice-{place}", f"{wording.metric_name(results.metric)} by {key}", 2.8, 2.0) as picture:
        axes = picture.axes
        for x, value, result in points:
            at = x if numeric else names.index(wording.setting(x))
            face = "none" if result.status == "stopped" else COLOURS[0]
            chosen = result is best
            axes.plot(
                at,
                value,
                marker="D" if chosen else "o",
                markersize=8 if chosen else 4.5,
                color=COLOURS[1] if chosen else COLOURS[0],
                markerfacecolor=COLOURS[1] if chosen else face,
                alpha=1 if chosen else 0.75,
                zorder=3 if chosen else 2,
            )
        if not numeric:
            axes.set_xticks(range(len(names)), names)
            axes.set_xlim(-0.5, len(names) - 0.5)
        elif _logarithmic(results, key) and all(x > 0 for x, _, _ in points):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.locator_params(axis="x", nbins=4)
        metric_axis(axes, results.metric, label=False)
    return Figure(key, picture.svg)


def _logarithmic(results: Results, key: str) -> bool:
    space = results.sweep.space
    return key in space and space[key].loguniform is not None


def front_figure(results: Results) -> Figure | None:
    cost, points = asked_cost(results), finished_points(results)
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
