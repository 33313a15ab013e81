"""The report as Markdown, without pictures: for a terminal, a ticket, a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import singledispatch

from radsweep.report import wording
from radsweep.report.render.cell_wording import (
    difference_shown,
    gain_shown,
    notes,
    p_shown,
    probability_shown,
    value_shown,
)
from radsweep.report.render.content import Content, Header
from radsweep.report.sections.section import (
    Advice,
    Arms,
    Block,
    Bullets,
    Caution,
    Chosen,
    Details,
    Numbers,
    SideBySide,
    Summary,
)
from radsweep.report.tables.arm_cells import ArmCell, ArmRow, ArmTable


def render_markdown(content: Content) -> str:
    return "\n".join(_document(content)) + "\n"


def _document(content: Content) -> Iterator[str]:
    yield from (f"# {_escaped(content.header.title)}", "", _escaped(content.header.subtitle))
    for section in content.sections:
        lines = [line for block in section.shown for line in _lines(block, content.header)]
        if lines:
            yield from ("", f"## {_escaped(section.title)}", *lines)


@singledispatch
def _lines(block: Block, header: Header) -> Iterator[str]:
    """Yield the lines of a block; none for kinds that Markdown leaves out: pictures, remarks and repetitions."""
    yield from ()


@_lines.register
def _(block: Summary, header: Header) -> Iterator[str]:
    yield ""
    yield from _bullets([finding.sentence for finding in block.findings])
    if block.about:
        yield from ("", _escaped(block.about))


@_lines.register
def _(block: Advice, header: Header) -> Iterator[str]:
    advice = block.recommendation
    yield from ("", _escaped(" ".join(filter(None, (advice.recipe, advice.files, advice.caution)))))
    if advice.next:
        yield from ("", "What to run next:", "", *_bullets(advice.next))


@_lines.register
def _(block: Bullets, header: Header) -> Iterator[str]:
    yield from ("", *_bullets(block.items))


@_lines.register
def _(block: Arms, header: Header) -> Iterator[str]:
    table = block.table
    best = (f"best at {wording.size_name(table.decided_at)}",) if table.has_best else ()
    head = ("arm", "changes", *map(wording.size_name, table.sizes), "time", *best)
    if block.about:
        yield from ("", _escaped(block.about))
    yield from ("", *_table(head, [_row(header.metric, table, row) for row in table.rows]))
    if block.basis:
        yield from ("", _escaped(f"{block.basis} {' '.join(block.reading)}"))
    found = [finding for row in table.rows for finding in row.findings]
    if found:
        yield from ("", "### Every comparison in words", "")
    for finding in found:
        trace = f" (cells {wording.numbers_listed(finding.cells)})" if finding.cells else ""
        yield f"- **{finding.verdict}**: {_escaped(f'{finding.sentence} {finding.beside}'.strip())}{trace}"


@_lines.register
def _(block: Numbers, header: Header) -> Iterator[str]:
    title = ("", f"### {_escaped(block.table.title)}") if block.titled else ()
    yield from (*title, "", *_table(block.table.head, block.table.rows))


@_lines.register
def _(block: Caution, header: Header) -> Iterator[str]:
    yield from ("", _escaped(block.text))


@_lines.register
def _(block: Chosen, header: Header) -> Iterator[str]:
    yield from ("", f"`radsweep train {block.file}` runs it.")


@_lines.register
def _(block: Details, header: Header) -> Iterator[str]:
    if block.in_markdown:
        yield from ("", f"### {_escaped(block.summary)}", *_lines(block.block, header))


@_lines.register
def _(block: SideBySide, header: Header) -> Iterator[str]:
    for each in block.blocks:
        yield from _lines(each, header)


def _row(metric: str, table: ArmTable, row: ArmRow) -> Sequence[str]:
    changes = ", ".join(f"{change.key}: {change.value}" for change in row.changes)
    shown = [_cell(metric, cell, table.shared_why) if cell else "–" for cell in row.cells]
    at = row.at(table.decided_at)
    best = ("–" if at is None or at.best is None else probability_shown(at.best),) if table.has_best else ()
    time = [row.compute.shown] if row.compute else []
    time += [gain] if at and (gain := gain_shown(metric, at)) else []
    return [row.arm, changes or "–", *shown, ", ".join(time) or "–", *best]


def _cell(metric: str, cell: ArmCell, shared_why: str) -> str:
    beside = list(notes(metric, cell, shared_why))
    if not cell.replicates.measured:
        return "; ".join(beside) or "–"
    found = [f"{value_shown(metric, cell)} ({cell.replicates.measured})"]
    if cell.verdict and cell.verdict != "same run":
        found.append(", ".join(filter(None, (difference_shown(metric, cell), p_shown(cell)))))
    return "; ".join([*found, *filter(None, [cell.verdict]), *beside])


def _bullets(items: Sequence[str]) -> Iterator[str]:
    yield from (f"- {_escaped(item)}" for item in items)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, head))} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split())).replace("\\>", "&gt;").replace("\\<", "&lt;")
