"""Sections that compare: findings, advice, warnings, and the arms beside the baseline."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.figures.forest import forest
from radsweep.report.figures.learning_curves import MOST_PANELS, by_size, legend, training_curves, with_curves
from radsweep.report.figures.search import search_figures
from radsweep.report.sections.section import (
    Advice,
    Arms,
    Block,
    Bullets,
    Details,
    Figures,
    Legend,
    Remark,
    Section,
    Summary,
)
from radsweep.report.sections.table_reading import metric_explained, table_about, table_reading
from radsweep.report.tables.arm_cells import arm_table
from radsweep.report.text.best import selection
from radsweep.report.text.findings import findings
from radsweep.report.text.not_ranked import why_nothing
from radsweep.report.text.recommendation import recommendation
from radsweep.report.text.verdicts import basis, rule, words
from radsweep.report.text.warnings import warnings
from radsweep.store.selection import Reason

MOST_OPEN = 9  # panels of training curves; more are folded away


def what_was_found(results: Results) -> Section:
    found, compared = tuple(findings(results)), results.sweep.kind == "ablation"
    about = "" if compared or not results.measured else metric_explained(results)
    answer = Summary(tuple(f for f in found if not f.arm), about)
    said = rule(results) if compared and results.measured else ""
    return Section("What was found", "findings", (answer,), data={"findings": found, "rule": said})


def what_to_do(results: Results) -> Section:
    advice, chosen = recommendation(results), selection(results)
    why = why_nothing(results, chosen)
    blocks: tuple[Block, ...] = (Bullets((why,)),) if why else ()
    if advice:
        blocks = (Advice(advice, better=chosen.reason == Reason.SHOWN_BETTER),)
    return Section("What to do", "advice", blocks, data={"recommendation": advice, "why_nothing_is_recommended": why})


def every_arm(results: Results) -> Section:
    table = arm_table(results)
    measured = bool(results.measured)
    about, line = (table_about(results, table), basis(results)) if measured else ("", "")
    if table.shared_why and not results.evidence.gap:
        line += f" Nothing can be claimed: {table.shared_why}."
    reading = (words(results), *table_reading(table)) if measured else ()
    changes = {row.arm: row.changes for row in table.rows}
    return Section(
        f"Every arm beside {results.sweep.baseline}" if results.sweep.baseline else "Every arm",
        "arms",
        (Arms(table, about, line, reading),),
        data={"arm_cells": table.cells, "arm_changes": changes},
    )


def before_you_trust(results: Results) -> Section:
    found = warnings(results)
    return Section("Before you trust the numbers", "warnings", (Bullets(tuple(found)),), data={"warnings": found})


def curves(results: Results) -> Section:
    """The metric by number of pairs, or the pictures of a search."""
    picture = by_size(results)
    figures = Figures((*([picture] if picture else []), *search_figures(results)))
    differences = forest(results)
    folded = Details("Every difference as a forest plot", Figures((differences,) if differences else (), "narrow"))
    title, anchor = ("The search", "search") if results.sweep.kind == "search" else ("Learning curves", "by-size")
    return Section(title, anchor, (_legend(results), figures, folded))


def curves_of_training(results: Results) -> Section:
    select = wording.sentence_start(wording.metric_name(results.sweep.select))
    columns = len(results.sizes) if 2 <= len(results.sizes) <= 4 else 4
    panels = Figures(tuple(training_curves(results)), columns=columns)
    many = len(panels.figures) > MOST_OPEN
    blocks: list[Block] = [
        _legend(results),
        Remark(
            f"{select} over optimiser steps, one line a replicate, the same vertical axis throughout. Dashed: had not "
            "converged. Dot: the checkpoint that was kept."
        ),
        Details(f"All {len(panels.figures)} panels", panels) if many else panels,
    ]
    if (left_out := len(with_curves(results)) - MOST_PANELS) > 0:
        blocks.append(Remark(f"{left_out} more panels are left out; report.json holds their numbers."))
    return Section("Training curves", "training-curves", tuple(blocks))


def _legend(results: Results) -> Legend:
    return Legend(tuple(legend(results)), results.sweep.baseline)
