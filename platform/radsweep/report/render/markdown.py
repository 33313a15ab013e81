"""The report as Markdown, without pictures: for a terminal, a ticket, a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import singledispatch

from radsweep.report import wording
from radsweep.report.render.cell_wording import difference_shown, p_shown, value_shown
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
from radsweep.report.tables.arm_cells import ArmCell, ArmRow


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
    for finding in block.findings:
        label = f"**{finding.verdict}**: " if finding.arm else ""
        trace = f" (cells {wording.numbers_listed(finding.cells)})" if finding.cells else ""
        yield f"- {label}{_escaped(f'{finding.sentence} {finding.beside}'.strip())}{trace}"
    beside = f" Chance level {header.chance_shown}." if header.chance is not None else ""
    explained = f"{wording.sentence_start(header.metric_name)}: {header.metric_explained}.{beside} {block.rule}"
    yield from ("", _escaped(explained.strip()))


@_lines.register
def _(block: Advice, header: Header) -> Iterator[str]:
    advice = block.recommendation
    parts = (advice.recipe, advice.evidence, advice.files)
    yield from ("", _escaped(" ".join(part for part in parts if part)))
    yield from ("", "When not to follow it:", "", *_bullets(advice.cautions))
    yield from ("", "What to run next:", "", *_bullets(advice.next))


@_lines.register
def _(block: Bullets, header: Header) -> Iterator[str]:
    yield from ("", *_bullets(block.items))


@_lines.register
def _(block: Arms, header: Header) -> Iterator[str]:
    table = block.table
    rows = [_row(header.metric, row) for row in table.rows]
    yield from ("", *_table(("arm", *map(wording.size_name, table.sizes), "time"), rows))
    value = "mean [95 % interval]" if table.intervals else "mean ± standard deviation"
    name = _escaped(wording.sentence_start(header.metric_name))
    yield from (
        "",
        f"{name}: {value} (n replicates); paired difference from the baseline. Time: times the baseline's.",
    )


@_lines.register
def _(block: Numbers, header: Header) -> Iterator[str]:
    title = ("", f"### {_escaped(block.table.title)}") if block.titled else ()
    yield from (*title, "", *_table(block.table.head, block.table.rows))


@_lines.register
def _(block: Caution, header: Header) -> Iterator[str]:
    yield from ("", _escaped(block.text))


@_lines.register
def _(block: Chosen, header: Header) -> Iterator[str]:
    yield from ("", f"{_escaped(block.how)} It is in `{block.file}`.")


@_lines.register
def _(block: Details, header: Header) -> Iterator[str]:
    if block.in_markdown:
        yield from ("", f"### {_escaped(block.summary)}", *_lines(block.block, header))


@_lines.register
def _(block: SideBySide, header: Header) -> Iterator[str]:
    for each in block.blocks:
        yield from _lines(each, header)


def _row(metric: str, row: ArmRow) -> Sequence[str]:
    shown = [_cell(metric, cell) if cell else "–" for cell in row.cells]
    return [row.arm, *shown, row.compute.shown if row.compute else "–"]


def _cell(metric: str, cell: ArmCell) -> str:
    difference, p = difference_shown(metric, cell), p_shown(cell)
    change = f"; {difference}" if difference else ""
    change += f", {p}" if p else ""
    if cell.verdict == "same run":
        change = "; same numbers"
    untested = f"{cell.replicates.untested} without a test number" if cell.replicates.untested else ""
    if not cell.replicates.measured:
        return untested or "–"
    change += f"; {untested}" if untested else ""
    unconverged = f"; {cell.replicates.doubts}" if cell.replicates.doubts else ""
    return f"{value_shown(metric, cell)} ({cell.replicates.measured}){change}{unconverged}"


def _bullets(items: Sequence[str]) -> Iterator[str]:
    yield from (f"- {_escaped(item)}" for item in items)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, head))} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split())).replace("\\>", "&gt;").replace("\\<", "&lt;")
