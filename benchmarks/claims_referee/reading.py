"""The claims of a report, read from its JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from unittest import mock

from claims_referee.fabricated import Sweep
from radsweep.report.analysis.results import Results, join
from radsweep.report.render import content
from radsweep.report.render.report_json import render_json
from radsweep.report.sections import verdict_sections
from radsweep.store.ledger import Ledger


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
    compared: int | None  # comparisons that the interval is corrected for
    verdict: str


@dataclass(frozen=True)
class Claims:
    split: str  # that the report is about
    comparisons: tuple[Comparison, ...]
    levels: tuple[Stated, ...]
    multipliers: tuple[Stated, ...]
    recommended: tuple[str, int] | None
    margin: float | None  # of equivalence, in points


def claims(sweep: Sweep, metric: str, earlier_looks: int = 0, whole: bool = True) -> Claims:
    """Run the product's path from records to the report's JSON, and read what it says of a metric.

    Args:
        whole: with all sections of the page. They take most of the time, and say what the JSON's own lists say.
    """
    record, cells, queries = sweep
    looks = {(cell.arm, cell.pairs): earlier_looks for cell in record.cells}
    results = join(record, cells, queries.get, ledger=Ledger(looks))  # as a store shows them
    sections = content.SECTIONS if whole else ()
    with (
        mock.patch.multiple(verdict_sections, forest=_no_picture, by_size=_no_picture),
        mock.patch.object(content, "SECTIONS", sections),
    ):
        page = json.loads(render_json(results, content.content(results)))
    if not record.select.endswith(metric):
        page |= _of_a_further_measure(f"test/{metric}", page["measures"])
    chosen = page["recommended"]
    return Claims(
        split=page["report"]["metric"].partition("/")[0],
        comparisons=tuple(
            Comparison(**_ends(row), compared=row.get("compared"), verdict=row["verdict"])
            for row in page["comparisons"]
        ),
        levels=tuple(Stated(**_ends(row)) for row in page["levels"]),
        multipliers=tuple(Stated(**_ends(row)) for row in page["multipliers"]),
        recommended=(chosen["arm"], chosen["size"]) if chosen and chosen["arm"] else None,
        margin=record.ablation.equivalence_margin if record.ablation else None,
    )


def _no_picture(results: Results) -> None:
    """Pictures make no claims, and drawing them takes most of the time of a report."""


def _ends(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in ("arm", "size", "estimate", "low", "high")}


def _of_a_further_measure(metric: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The same of a measure that has no words: its p after correction is read as a claim."""
    found: dict[str, Any] = {"comparisons": [], "levels": [], "multipliers": [], "recommended": None}
    for row in rows:
        place = {"arm": row["arm"], "size": row["size"]}
        if row["metric"] != metric:
            continue
        found["levels"].append({**row["interval"], **place})
        if change := row["change"]:
            word = "open" if change["p_adjusted"] >= 0.05 else _direction(change["estimate"])
            compared = change["correction"]["comparisons"]
            found["comparisons"].append({**change, **place, "compared": compared, "verdict": word})
    return found


def _direction(estimate: float) -> str:
    return "helped" if estimate > 0 else "hurt"
