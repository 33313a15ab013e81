"""A sweep's report in a folder: report.html, report.md, report.json, best.yaml, candidate.yaml, figures/."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from radsweep.evaluation.queries import Queries, no_queries
from radsweep.report.analysis.results import Results, join
from radsweep.report.figures.collected import pictures_of
from radsweep.report.render.content import content
from radsweep.report.render.html import render_html
from radsweep.report.render.markdown import render_markdown
from radsweep.report.render.numbers import effects, logged, measures
from radsweep.report.text.best import selection
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.selection import Selection


class Written(NamedTuple):
    page: Path  # report.html
    statistics: dict[str, float]  # as MLflow is to show them: arm/local/300/test/.../difference_low
    selection: Selection  # what the report recommends


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
    chosen = selection(results)
    said = content(results, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {"measures": measures(results), "effects": effects(results), "curves": _curves(results)}
    data = _finite({"report": dataclasses.asdict(said), **numbers})
    _replace(folder / "report.json", json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    _replace(folder / "report.md", render_markdown(results, said))
    for name, text in {"best.yaml": said.best_yaml, "candidate.yaml": said.candidate_yaml}.items():
        if text:
            _replace(folder / name, text)
        else:  # an earlier report may have had one
            (folder / name).unlink(missing_ok=True)
    pictures = pictures_of(results, said.importances)
    for name, figure in pictures.named.items():
        (folder / "figures").mkdir(exist_ok=True)
        _replace(folder / "figures" / f"{name}.svg", figure.file)
    page = folder / "report.html"
    _replace(page, render_html(results, said, pictures, chosen))
    return Written(page, logged(results), chosen)


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


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: the report of a running sweep is written again and again."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
