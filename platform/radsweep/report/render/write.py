"""A sweep's report in a folder: report.html, report.md, report.json, best.yaml, figures/."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from radsweep.evaluation.queries import Queries, no_queries
from radsweep.filesystem import write_atomically
from radsweep.report.analysis.results import Results, join
from radsweep.report.figures.collected import pictures_of
from radsweep.report.render.content import content
from radsweep.report.render.html import render_html
from radsweep.report.render.markdown import render_markdown
from radsweep.report.render.numbers import effects, logged, measures
from radsweep.store.records import CellRecord, SweepRecord


class Written(NamedTuple):
    page: Path  # report.html
    statistics: dict[str, float]  # as MLflow is to show them: arm/local/300/test/.../difference_low


def write_report(
    folder: Path,
    sweep: SweepRecord,
    cells: Mapping[str, CellRecord],
    queries: Queries = no_queries,
    stages: Mapping[str, CellRecord] | None = None,
) -> Written:
    """Cells that are missing, failed or stopped are said to be so.

    Args:
        cells: {key: record} of the cells that have ended; others may be missing, and unplanned ones are ignored.
        queries: what each query of the test split got, by key of the cell; None where it is not known.
        stages: {key: record} of the adaptation stages that cells started from.
    """
    results = join(sweep, cells, queries, stages)
    said = content(results)
    numbers = {"measures": measures(results), "effects": effects(results), "curves": _curves(results)}
    data = _finite({"report": dataclasses.asdict(said), **numbers})
    _write(folder / "report.json", json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    _write(folder / "report.md", render_markdown(results, said))
    if said.best_yaml:
        _write(folder / "best.yaml", said.best_yaml)
    pictures = pictures_of(results, said.importances)
    for name, figure in pictures.named.items():
        _write(folder / "figures" / f"{name}.svg", figure.file)
    page = folder / "report.html"
    _write(page, render_html(results, said, pictures))
    return Written(page, logged(results))


def _curves(results: Results) -> dict[str, list[tuple[int, float | None]]]:
    """{cell key: [(optimiser step, selection metric)]}."""
    select = results.sweep.select
    return {
        r.record.key: [(look.step, look.metrics.get(select)) for look in r.record.history]
        for r in results.all
        if r.record
    }


def _finite(tree: Any) -> Any:
    """JSON has no NaN: null instead."""
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def _write(path: Path, text: str) -> None:
    """Not durable: the report of a running sweep is written again and again, and can be made from the records."""
    write_atomically(path, text, durable=False)
