"""The report as Markdown, without pictures: for a terminal, a ticket, a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from radsweep.report import wording
from radsweep.report.analysis.compute import relative
from radsweep.report.analysis.results import Results
from radsweep.report.render.content import Content
from radsweep.report.tables.table import Table


def render_markdown(results: Results, content: Content) -> str:
    return "\n".join(_lines(results, content)) + "\n"


def _lines(results: Results, content: Content) -> Iterator[str]:
    yield f"# {_escaped(content.title)}"
    yield from ("", _escaped(content.subtitle), "", "## What was found", "")
    for finding in content.findings:
        label = f"**{finding.verdict}**: " if finding.arm else ""
        trace = f" (cells {wording.numbers_listed(finding.cells)})" if finding.cells else ""
        yield f"- {label}{_escaped(f'{finding.sentence} {finding.beside}'.strip())}{trace}"
    beside = f" Chance level {content.chance_shown}." if content.chance is not None else ""
    explained = f"{wording.sentence_start(content.metric_name)}: {content.metric_explained}.{beside} {content.rule}"
    yield from ("", _escaped(explained.strip()))
    if advice := content.recommendation:
        parts = (advice.recipe, advice.evidence, advice.files)
        yield from ("", "## What to do", "", _escaped(" ".join(part for part in parts if part)))
        yield from ("", "When not to follow it:", "", *(f"- {_escaped(c)}" for c in advice.cautions))
        yield from ("", "What to run next:", "", *(f"- {_escaped(n)}" for n in advice.next))
    if content.warnings:
        yield from ("", "## Before you trust the numbers", "", *(f"- {_escaped(w)}" for w in content.warnings))
    if content.entries:
        yield from ("", f"## {_escaped(wording.sentence_start(content.metric_name))}, arms by number of pairs", "")
        yield from _table(("arm", *map(wording.size_name, results.sizes), "time"), _matrix(results, content))
        value = "Mean [95 % interval]" if results.evidence.levels else "Mean ± standard deviation"
        yield from ("", f"{value} (n replicates); paired difference from the baseline. Time: times the baseline's.")
    for table in (
        content.comparisons,
        content.effects,
        content.levels,
        content.measures,
        content.further,
        content.tuning,
        content.models,
    ):
        yield from _titled(table)
    if content.models_about:
        yield from ("", _escaped(content.models_about))
    for table in (content.importances_table, content.front, content.top, content.others):
        yield from _titled(table)
    if content.best_yaml:
        yield from ("", "## The best configuration", "", f"{_escaped(content.chosen)} It is in `best.yaml`.")
    if content.candidate_yaml:
        yield from (
            "",
            "## A candidate, not recommended",
            "",
            f"{_escaped(content.candidate)} It is in `candidate.yaml`.",
        )
    for table in (content.cost, content.stages, *content.data, content.provenance):
        yield from _titled(table)
    yield from ("", "## Limits", "", *(f"- {_escaped(limit)}" for limit in content.limits))
    yield from _titled(content.cells)


def _matrix(results: Results, content: Content) -> Iterator[Sequence[str]]:
    entries = {(entry.arm, entry.size): entry for entry in content.entries}
    for arm in results.arms:
        row = [arm]
        for size in results.sizes:
            entry = entries.get((arm, size))
            if entry is None or not entry.replicates:
                row.append("–")
                continue
            late = entry.replicates - entry.converged
            same = entry.verdict == "same run"
            change = "; same numbers" if same else f"; {entry.difference_shown}" if entry.difference_shown else ""
            p = f", {entry.p_shown}" if entry.p_shown and not same else ""
            row.append(f"{entry.shown} ({entry.replicates}){change}{p}{f'; {late} not converged' if late else ''}")
        cost = relative(results, arm, results.sizes)
        yield [*row, cost.shown if cost else "–"]


def _titled(table: Table) -> Iterator[str]:
    if table.rows:
        yield from ("", f"## {_escaped(table.title)}", "")
        yield from _table(table.head, table.rows)


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, head))} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split())).replace("\\>", "&gt;").replace("\\<", "&lt;")
