"""The claims of a report, read from its JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from unittest import mock

from matplotlib.figure import Figure

from claims_referee.fabricated import Sweep
from radsweep.report.analysis.results import Results, join
from radsweep.report.render.content import content
from radsweep.report.render.report_json import render_json
from radsweep.report.text.best import selection


@dataclass(frozen=True)
class Stated:
    """An interval, None at an end that is open; both ends None if it is not stated."""

    arm: str
    size: int
    estimate: float | None
    low: float | None
    high: float | None

    @property
    def width(self) -> float | None:
        return None if self.low is None or self.high is None else self.high - self.low

    def holds(self, value: float) -> bool:
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Comparison(Stated):
    compared: int  # comparisons that the interval is corrected for
    verdict: str


@dataclass(frozen=True)
class Claims:
    split: str  # that the report is about
    comparisons: tuple[Comparison, ...]
    levels: tuple[Stated, ...]
    multipliers: tuple[Stated, ...]
    recommended: tuple[str, int] | None
    margin: float | None  # of equivalence, in points


def claims(sweep: Sweep, metric: str) -> Claims:
    """Run the product's path from records to the report's JSON, and read what it says of a metric."""
    record, cells, queries = sweep
    results = join(record, cells, queries.get)
    with mock.patch.object(Figure, "savefig", _blank):
        page = json.loads(render_json(results, content(results)))
    if not record.select.endswith(metric):
        page |= _of_a_further_measure(f"test/{metric}", page["measures"])
    elif "comparisons" not in page:
        page |= _of_todays_report(results, page["report"]["arm_cells"])
    chosen = page["recommended"]
    return Claims(
        split=page["report"]["metric"].partition("/")[0],
        comparisons=tuple(
            Comparison(**_ends(row), compared=int(row["compared"] or 1), verdict=row["verdict"])
            for row in page["comparisons"]
        ),
        levels=tuple(Stated(**_ends(row)) for row in page["levels"]),
        multipliers=tuple(Stated(**_ends(row)) for row in page["multipliers"]),
        recommended=(chosen["arm"], chosen["size"]) if chosen and chosen["arm"] else None,
        margin=getattr(results.sweep.ablation, "equivalence_margin", None),
    )


def _ends(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("arm", "size", "estimate", "low", "high")}


def _blank(figure: Figure, out: Any, **settings: Any) -> None:
    """An empty picture: report.json holds none, and drawing them takes most of the time of a report."""
    out.write('<svg viewBox="0 0 1 1"></svg>')


def _of_a_further_measure(metric: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The same of a measure that has no words: its p after correction is read as a claim."""
    found: dict[str, Any] = {"comparisons": [], "levels": [], "multipliers": [], "recommended": None}
    for row in rows:
        place = {"arm": row["arm"], "size": row["size"]}
        if row["metric"] != metric:
            continue
        found["levels"].append({**row["interval"], **place})
        if change := row["change"]:
            word = row.get("verdict") or ("open" if row["p_holm"] >= 0.05 else _direction(change["estimate"]))
            found["comparisons"].append({**change, **place, "compared": change.get("compared", 1), "verdict": word})
    return found


def _direction(estimate: float) -> str:
    return "helped" if estimate > 0 else "hurt"


def _of_todays_report(results: Results, arm_cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The same from a report without top-level claims. Its intervals are corrected for no other comparison."""
    found: dict[str, Any] = {"comparisons": [], "levels": [], "multipliers": []}
    for cell in arm_cells:
        place = {"arm": cell["arm"], "size": cell["size"]}
        if interval := cell["value"]["interval"]:
            found["levels"].append({**interval, **place})
        if compared := cell["comparison"]:
            verdict = {"no evidence": "open", "measured": "open"}.get(compared["verdict"], compared["verdict"])
            change = compared["change"] or {"estimate": compared["difference"], "low": None, "high": None}
            found["comparisons"].append({**change, **place, "compared": 1, "verdict": verdict})
        if said := cell["multiplier"]:
            times = said["found"]
            if times["beyond"] == "above" and times["pairs"] == times["measured"][-1]:
                continue  # not said
            low = None if times["low_beyond"] == "below" else times["low"]
            high = None if times["high_beyond"] == "above" else times["high"]
            found["multipliers"].append({**times, **place, "low": low, "high": high})
    best = selection(results).recommended
    return found | {"recommended": {"arm": best.arm, "size": best.pairs} if best else None}
