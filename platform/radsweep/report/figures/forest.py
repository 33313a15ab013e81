"""The forest plot: every difference from the baseline with its interval, and shares of importance likewise."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes

from radsweep.evaluation.statistics import Importances
from radsweep.evaluation.statistics.multiplicity import LEVEL
from radsweep.report import wording
from radsweep.report.analysis.claims import claim_of
from radsweep.report.analysis.convergence import unconverged
from radsweep.report.analysis.results import Results
from radsweep.report.figures.learning_curves import Figure
from radsweep.report.figures.svg import COLOURS, INK, PAGE, drawing, short

MOST_ROWS = 80
WIDTH = 4.8  # inches: narrow, so that names can be read on a telephone
_GOOD, _BAD = COLOURS[2], COLOURS[4]


@dataclass(frozen=True)
class Row:
    """A row of the plot: a difference, or the name of a size above its differences."""

    name: str
    ends: tuple[float, float, float] | None = None  # low, estimate, high
    colour: str = INK
    hollow: bool = False


def forest(results: Results) -> Figure | None:
    """Size by size, the largest gain first; None if nothing has an interval."""
    rows = _rows(results)
    if not rows:
        return None
    title = f"Difference from {results.sweep.baseline}, {wording.metric_name(results.metric)}"
    shown = rows[:MOST_ROWS]
    with drawing("forest", title, WIDTH, 0.9 + 0.26 * len(shown)) as picture:
        _draw(picture.axes, shown)
        scale = 100 if wording.is_share(results.metric) else 1
        picture.axes.xaxis.set_major_formatter(lambda value, _: _signed(scale * value))
        picture.axes.set_xlabel(
            f"difference from {short(results.sweep.baseline)}{wording.points(results.metric).replace(' ', ', in ')}"
        )
        picture.axes.axvline(0, color=INK, linewidth=1)
    left = f" {len(rows) - len(shown)} more rows are in the table." if len(rows) > len(shown) else ""
    note = (
        f"Bars: {100 * LEVEL:.4g} % intervals. Green: helped. Red: hurt. Hollow: a cell may not have converged.{left}"
    )
    return Figure(title, picture.svg, note, picture.file, "forest")


def _rows(results: Results) -> list[Row]:
    rows = []
    for size in results.sizes:
        found = [(place, d) for place, d in results.evidence.differences.items() if place[1] == size]
        if found and len(results.sizes) > 1:
            rows.append(Row(wording.size_name(size)))
        for (arm, _), change in sorted(found, key=lambda pair: pair[1].estimate, reverse=results.higher):
            group, base = results.group(arm, size), results.group(results.sweep.baseline, size)
            assert group is not None
            assert base is not None
            comparison = results.comparison(group)
            claim = claim_of(results, group)
            judged = claim.verdict if claim else ""
            colour = {"helped": _GOOD, "hurt": _BAD}.get(judged, INK)
            ends = (change.low, change.estimate, change.high)
            rows.append(Row(arm, ends, colour, bool(unconverged(results, (group, base), comparison))))
    return rows


def importance_figure(found: Importances, stopped: int) -> Figure:
    """Shares of the spread between trials; observational, as its note says."""
    title = "Which keys went with the metric"
    rows = [Row(i.key, (max(i.low, 0.0), i.estimate, i.high), COLOURS[0]) for i in found.keys]
    with drawing("importances", title, WIDTH, 0.9 + 0.26 * len(rows)) as picture:
        _draw(picture.axes, rows)
        picture.axes.set_xlim(left=0)
        picture.axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
        picture.axes.set_xlabel("share of the spread between trials")
    early = (
        f" {stopped:,} of {found.trials:,} trials were stopped early: they count up to where they stopped."
        if stopped
        else ""
    )
    return Figure(title, picture.svg, found.note + early, picture.file, "importances")


def _draw(axes: Axes, rows: list[Row]) -> None:
    for y, row in enumerate(rows):
        if row.ends is None:
            continue
        low, middle, high = row.ends
        axes.hlines(y, low, high, color=row.colour, linewidth=1.8)
        face = PAGE if row.hollow else row.colour
        axes.plot(middle, y, marker="o", markersize=6, color=row.colour, markerfacecolor=face, markeredgewidth=1.6)
    axes.set_yticks(range(len(rows)), [short(row.name) for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.ends is None else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=6)


def _signed(value: float) -> str:
    return f"{value:+.4g}".replace("-", "−") if value else "0"
