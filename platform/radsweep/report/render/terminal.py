"""The table that a sweep ends with on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from radsweep.evaluation.queries import Queries, no_queries
from radsweep.report import wording
from radsweep.report.analysis.results import Results, join
from radsweep.report.tables import overview
from radsweep.report.tables.arm_cells import Entry, arm_entry
from radsweep.store.records import CellRecord, SweepRecord

_STYLE = {"helped": "green", "hurt": "red"}


def terminal_table(sweep: SweepRecord, cells: Mapping[str, CellRecord], queries: Queries = no_queries) -> Table:
    """Arms x sizes with mean and interval, or deviation, over n replicates, or a search's best trials."""
    results = join(sweep, cells, queries)
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
            f"{caption}\nmean {spread} (n replicates)\ndifference from the baseline{p}\n* a cell had not converged"
        ),
        caption_justify="left",
        min_width=48,
        box=box.SIMPLE_HEAD,
    )
    table.add_column("arm")
    for size in results.sizes:
        table.add_column(Text(wording.size_name(size)), justify="right")
    for arm in results.arms:
        groups = [results.group(arm, size) for size in results.sizes]
        table.add_row(Text(arm), *(_cell(arm_entry(results, group)) if group else Text("–") for group in groups))
    return table


def _cell(entry: Entry) -> Text:
    text = Text(entry.shown)
    if entry.replicates:
        text.append(f" ({entry.replicates}){'*' * (entry.converged < entry.replicates)}", style="dim")
    if entry.difference_shown and entry.verdict != "same run":
        shown = f"\n{entry.difference_shown}"
        if entry.p_shown:  # narrow: the caption has the unit
            shown = shown.removesuffix(" points") + f"\n{entry.p_shown}"
        text.append(shown, style=_STYLE.get(entry.verdict, "dim"))
    elif entry.verdict:
        text.append("\nsame numbers as the baseline", style="dim")
    if entry.failed:
        text.append(f"\n{entry.failed} failed", style="red")
    return text


def _trials(results: Results, title: str, caption: str) -> Table:
    source = overview.top_trials(results) if results.sweep.kind == "search" else overview.all_cells(results)
    table = Table(title=Text(title), caption=Text(caption), min_width=48, box=box.SIMPLE_HEAD)
    for name in source.head:
        table.add_column(Text(name))
    for row in source.rows:
        table.add_row(*map(Text, row))
    return table
