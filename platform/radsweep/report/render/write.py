"""A sweep's report in a folder: report.html, report.md, report.json, best.yaml, candidate.yaml, figures/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from radsweep.data.shards.groups import Traits, no_traits
from radsweep.evaluation.queries import Queries, no_queries
from radsweep.filesystem import write_atomically
from radsweep.report.analysis.results import join
from radsweep.report.render.content import content
from radsweep.report.render.html import render_html
from radsweep.report.render.markdown import render_markdown
from radsweep.report.render.numbers import logged
from radsweep.report.render.report_json import render_json
from radsweep.report.text.best import FILES, selection
from radsweep.store.ledger import NOTHING_READ, Ledger
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.store.selection import Selection


class Written(NamedTuple):
    page: Path  # report.html
    statistics: dict[str, float]  # as MLflow is to show them: arm/local/300/test/.../difference_low
    selection: Selection  # configurations that the report names


def write_report(
    folder: Path,
    sweep: SweepRecord,
    cells: Mapping[str, CellRecord],
    queries: Queries = no_queries,
    stages: Mapping[str, CellRecord] | None = None,
    ledger: Ledger = NOTHING_READ,
    traits: Traits = no_traits,
) -> Written:
    """Write the report; it names cells that are missing, failed or stopped.

    Args:
        cells: {key: record} of the cells that have ended; others may be missing, and unplanned ones are ignored.
        queries: results of the test split's queries by key of the cell; None if there are none.
        stages: {key: record} of the adaptation stages that cells started from.
        ledger: reads of the test split that the store knows of (`read_ledger`).
        traits: of the test studies, for differences by group (`traits_of`).
    """
    results = join(sweep, cells, queries, stages, ledger, traits)
    chosen = selection(results)
    said = content(results)
    _write(folder / "report.json", render_json(results, said))
    _write(folder / "report.md", render_markdown(said))
    for name in set(FILES) - set(said.files):  # an earlier report may have had one
        (folder / name).unlink(missing_ok=True)
    for name, text in said.files.items():
        _write(folder / name, text)
    page = folder / "report.html"
    _write(page, render_html(said))
    return Written(page, logged(results), chosen)


def _write(path: Path, text: str) -> None:
    """Write a file, not durably: the report of a running sweep is written often and can be made from the records."""
    write_atomically(path, text, durable=False)
