"""The table that a sweep ends with on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from radsweep.evaluation.queries import Queries, no_queries
from radsweep.report import wording
from radsweep.report.analysis.results import Results, join
from radsweep.report.render.cell_wording import difference_shown, p_shown, value_shown
from radsweep.report.tables import overview
from radsweep.report.tables.arm_cells import ArmCell, arm_table
from radsweep.store.ledger import NOTHING_READ, Ledger
from radsweep.store.records import CellRecord, SweepRecord

_STYLE = {"helped": "green", "hurt": "red"}


def terminal_table(
    sweep: SweepRecord,
    cells: Mapping[str, CellRecord],
    queries: Queries = no_queries,
    ledger: Ledger = NOTHING_READ,
) -> Table:
    """Arms x sizes with mean and interval, or deviation, over n replicates, or a search's best trials."""
    results = join(sweep, cells, queries, ledger=ledger)
    title = wording.metric_name(results.metric)
    level, pool = results.chance(), results.pool()
    beside = f"chance {wording.number(results.metric, level)}" if level is not None else "no chance level recorded"
    caption = f"{beside}{f' among {pool:,} candidates' if pool else ''}"
    if sweep.kind != "ablation":
        return _trials(results, title, caption)
    interval, unit = "[95 % interval]", " in points" * wording.is_share(results.metric)
    spread, p = "± standard deviation", ""
    if results.evidence.levels:
        spread, p = interval, f"{unit} {interval}, p after correction"
    table = Table(
        title=Text(title),
        caption=Text(
            f"{caption}\nmean {spread} (n replicates)\ndifference from the baseline{p}\n* a cell may not have converged"
        ),
        caption_justify="left",
        min_width=48,
        box=box.SIMPLE_HEAD,
    )
    table.add_column("arm")
    for size in results.sizes:
        table.add_column(Text(wording.size_name(size)), justify="right")
    for row in arm_table(results).rows:
        table.add_row(Text(row.arm), *(_cell(results.metric, cell) if cell else Text("–") for cell in row.cells))
    return table


def _cell(metric: str, cell: ArmCell) -> Text:
    n, text = cell.replicates, Text(value_shown(metric, cell))
    if n.measured:
        text.append(f" ({n.measured}){'*' * bool(n.doubts)}", style="dim")
    if cell.verdict == "same run":
        text.append("\nsame numbers as the baseline", style="dim")
    elif cell.comparison:
        shown = f"\n{difference_shown(metric, cell)}"
        if p := p_shown(cell):  # narrow: the caption has the unit
            shown = shown.removesuffix(" points") + f"\n{p}"
        text.append(shown, style=_STYLE.get(cell.comparison.verdict, "dim"))
    if n.failed:
        text.append(f"\n{n.failed} failed", style="red")
    if n.untested:
        text.append(f"\n{n.untested} without a test number", style="red")
    return text


def _trials(results: Results, title: str, caption: str) -> Table:
    source = overview.top_trials(results) if results.sweep.kind == "search" else overview.all_cells(results)
    table = Table(title=Text(title), caption=Text(caption), min_width=48, box=box.SIMPLE_HEAD)
    for name in source.head:
        table.add_column(Text(name))
    for row in source.rows:
        table.add_row(*map(Text, row))
    return table
