"""The report as JSON, for programs: every number and sentence of the page under a name of its own."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from radsweep.report.analysis.results import Results
from radsweep.report.render.content import Content
from radsweep.report.render.numbers import (
    comparison_numbers,
    effect_numbers,
    level_numbers,
    measure_numbers,
    multiplier_numbers,
    recommended,
)
from radsweep.report.sections.section import Numbers


def render_json(results: Results, content: Content) -> str:
    report: dict[str, Any] = dataclasses.asdict(content.header)
    for section in content.sections:
        report |= section.data
        report |= {b.name: b.table for b in section.nested if isinstance(b, Numbers) and b.name}
    numbers = {
        "comparisons": comparison_numbers(results),
        "levels": level_numbers(results),
        "multipliers": multiplier_numbers(results),
        "recommended": recommended(results),
        "measures": measure_numbers(results),
        "effects": effect_numbers(results),
        "curves": _curves(results),
    }
    return json.dumps(_plain({"report": report, **numbers}), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _curves(results: Results) -> dict[str, list[tuple[int, float | None]]]:
    """{cell key: [(optimiser step, selection metric)]}."""
    select = results.sweep.select
    return {
        r.record.key: [(look.step, look.metrics.get(select)) for look in r.record.history]
        for r in results.all
        if r.record
    }


def _plain(tree: Any) -> Any:
    """Dataclasses as dicts, and null for NaN, which JSON does not have."""
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return _plain(dataclasses.asdict(tree))
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
