"""Pictures of an ablation and of training: metric by size, and by step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from radsweep.evaluation.statistics.multiplicity import LEVEL
from radsweep.report import wording
from radsweep.report.analysis.results import Group, Result, Results
from radsweep.report.figures.svg import COLOURS, INK, MARKERS, OUTLINES, drawing, short

MOST_PANELS = 60
MOST_DRAWN = 20  # replicates of an arm and size that are drawn: more are unreadable, and megabytes
PANEL = (0.2, 0.14, 0.97, 0.96)  # left, bottom, right, top


@dataclass(frozen=True)
class Figure:
    title: str
    svg: str
    note: str = ""
    file: str = ""  # the same picture as a file of its own
    name: str = ""  # of that file in figures/, without .svg; empty if there is none


@dataclass(frozen=True)
class Key:
    """An entry of a legend, which the page draws itself: names are never part of the picture."""

    name: str
    colour: str
    marker: str

    @property
    def page_colour(self) -> str:
        return self.colour.replace(INK, "currentColor")

    @property
    def outline(self) -> str:
        return OUTLINES[self.marker]


def legend(results: Results) -> list[Key]:
    """One colour and marker an arm; the baseline has the colour of the text."""
    others = [arm for arm in results.arms if arm != results.sweep.baseline]
    keys = {arm: Key(arm, COLOURS[i % 8], MARKERS[(i + i // 8) % 8]) for i, arm in enumerate(others)}
    keys[results.sweep.baseline] = Key(results.sweep.baseline, INK, "o")
    return [keys[arm] for arm in results.arms]


def by_size(results: Results) -> Figure | None:
    """Metric by number of pairs, a line an arm, a point a replicate; by arm if there is one size."""
    groups = [g for g in results.groups if g.measured(results.metric)]
    if not groups or results.sweep.kind != "ablation":
        return None
    several = len({g.trained for g in groups}) > 1
    title = f"{wording.sentence_start(wording.metric_name(results.metric))} by "
    title += "number of training pairs" if several else "arm"
    with drawing("by-size", title) as picture:
        _draw_by_size(picture.axes, results, groups, several)
    with drawing("by-size-file", title, 7.5, 4.2) as alone:
        _draw_by_size(alone.axes, results, groups, several)
        keys = [Line2D([], [], color=key.colour, marker=key.marker, label=short(key.name)) for key in legend(results)]
        alone.axes.legend(handles=keys, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        alone.axes.set_title(title, fontsize=11)
    bars = f" Bars: {100 * LEVEL:.4g} % intervals." if results.evidence.levels else ""
    fewer = f" (the first {MOST_DRAWN})" if any(len(g.measured(results.metric)) > MOST_DRAWN for g in groups) else ""
    note = (
        f"Line: mean over replicates.{bars} Small points: each replicate{fewer}. Hollow: not known to have converged. "
    )
    note += "Dotted: chance."
    return Figure(title, picture.svg, note, alone.file, "learning_curves")


def _draw_by_size(axes: Axes, results: Results, groups: list[Group], several: bool) -> None:
    arms = legend(results)
    for place, key in enumerate(arms):
        mine = sorted((g for g in groups if g.arm == key.name), key=lambda g: g.trained)
        apart = 1 + 0.02 * (place - (len(arms) - 1) / 2)  # so that bars of several arms do not overlap
        at = [g.trained * apart for g in mine] if several else [float(place)] * len(mine)
        _line(axes, results, mine, at, key, 3 if key.name == results.sweep.baseline else 2)
    _chance_line(axes, results)
    if several:
        sizes = sorted({g.trained for g in groups})
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sizes))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xlabel("training pairs (logarithmic)")
    else:
        axes.set_xticks([])
        axes.set_xlim(-0.7, len(results.arms) - 0.3)
    metric_axis(axes, results.metric)


def with_curves(results: Results) -> list[Group]:
    """Groups that have a panel of training curves; a search has one picture of all its trials instead."""
    ordered = [g for arm in results.arms for size in results.sizes if (g := results.group(arm, size))]
    if results.sweep.kind == "search":
        return []
    return [g for g in ordered if any(r.record and r.record.history for r in g.results)]


def training_curves(results: Results) -> list[Figure]:
    """The selection metric over optimiser steps: a panel an arm and size."""
    select, drawn = results.sweep.select, with_curves(results)
    colours = {key.name: key.colour for key in legend(results)}
    values = [v for g in drawn for r in g.results for v in _curve(r, select)[1]]
    figures = []
    for i, group in enumerate(drawn[:MOST_PANELS]):
        title = f"{group.arm}, {wording.size_name(group.size)}" if group.arm else "The trial"
        ended = [r for r in group.results if r.record and r.record.history]
        with drawing(f"curve-{i}", f"{wording.metric_name(select)} over steps: {title}", 2.6, 1.8, PANEL) as picture:
            for result in ended[:MOST_DRAWN]:
                draw_curve(picture.axes, result, select, colours[group.arm])
            if values:
                low, high = min(0.0, *values), max(values)
                picture.axes.set_ylim(low, high + 0.08 * (high - low or 1))
            picture.axes.set_xlim(left=0)
            picture.axes.locator_params(nbins=4)
            metric_axis(picture.axes, select, label=False)
        converged = sum(bool(r.record and r.record.converged) for r in ended)
        drawn_of = f"; the first {MOST_DRAWN} are drawn" if len(ended) > MOST_DRAWN else ""
        figures.append(Figure(title, picture.svg, f"{converged} of {len(ended)} converged{drawn_of}"))
    return figures


def draw_curve(axes: Axes, result: Result, metric: str, colour: str, width: float = 1.4) -> None:
    """Draw a curve, dashed if it is not known to have converged; the dot is the checkpoint that was kept."""
    steps, values = _curve(result, metric)
    if not steps or result.record is None:
        return
    axes.plot(steps, values, color=colour, linewidth=width, linestyle="-" if result.record.converged else (0, (4, 2)))
    if result.record.best_step in steps:
        kept = steps.index(result.record.best_step)
        axes.plot(steps[kept], values[kept], marker="o", markersize=4, color=colour)


def _curve(result: Result, metric: str) -> tuple[list[int], list[float]]:
    history = result.record.history if result.record else ()
    looks = [(v.step, v.metrics[metric]) for v in history if math.isfinite(v.metrics.get(metric, math.nan))]
    return [step for step, _ in looks], [value for _, value in looks]


def _line(axes: Axes, results: Results, groups: list[Group], at: list[float], key: Key, order: int) -> None:
    means = [s.mean for g in groups if (s := g.spread(results.metric))]
    axes.plot(at, means, color=key.colour, linewidth=1.8, marker=key.marker, markersize=6, zorder=order)
    for group, x in zip(groups, at, strict=True):
        if interval := results.evidence.levels.get((group.arm, group.size)):
            axes.vlines(x, interval.low, interval.high, color=key.colour, linewidth=1.6, alpha=0.8, zorder=order)
    for converged, face in ((True, key.colour), (False, "none")):
        points = [
            (x, r.value(results.metric))
            for group, x in zip(groups, at, strict=True)
            for r in group.measured(results.metric)[:MOST_DRAWN]
            if bool(r.record and r.record.converged) == converged
        ]
        if points:
            at_points = list(zip(*points, strict=True))
            (dots,) = axes.plot(*at_points, linestyle="none", marker="o", markersize=4, color=key.colour, alpha=0.65)
            dots.set(markerfacecolor=face, zorder=order)


def _chance_line(axes: Axes, results: Results) -> None:
    if (level := results.chance()) is not None:
        axes.axhline(level, color=INK, linewidth=1, linestyle=(0, (1, 2)))


def metric_axis(axes: Axes, metric: str, label: bool = True) -> None:
    if wording.is_share(metric):
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    if label:
        axes.set_ylabel(wording.short_name(metric))
