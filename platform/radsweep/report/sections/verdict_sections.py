"""Sections that compare: findings, advice, warnings, and the arms beside the baseline."""

from __future__ import annotations

import itertools

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
    Claims,
    Details,
    Figures,
    Legend,
    Numbers,
    Remark,
    Section,
    Summary,
)
from radsweep.report.tables import comparisons as evidence_tables
from radsweep.report.tables.arm_cells import arm_table
from radsweep.report.text.best import selection
from radsweep.report.text.findings import findings
from radsweep.report.text.not_ranked import why_nothing
from radsweep.report.text.recommendation import recommendation
from radsweep.report.text.verdicts import rule
from radsweep.report.text.warnings import warnings

_CLEAR = ("helped", "hurt", "equivalent", "not converged")
MOST_CLEAR = 20  # comparisons listed below the headlines; more are folded away


def what_was_found(results: Results) -> Section:
    found = tuple(findings(results))
    words = rule(results) if results.sweep.kind == "ablation" and results.measured else ""
    clear = tuple(f for f in found if f.arm and f.verdict in _CLEAR and results.evidence.differences)
    return Section(
        "What was found", "findings", (Summary(found, clear, words),), data={"findings": found, "rule": words}
    )


def what_to_do(results: Results) -> Section:
    advice, why = recommendation(results), why_nothing(results, selection(results))
    blocks: tuple[Block, ...] = (Advice(advice),) if advice else (Bullets((why,)),) if why else ()
    return Section("What to do", "advice", blocks, data={"recommendation": advice, "why_nothing_is_recommended": why})


def before_you_trust(results: Results) -> Section:
    found = warnings(results)
    return Section("Before you trust the numbers", "warnings", (Bullets(tuple(found)),), data={"warnings": found})


def every_arm(results: Results) -> Section:
    picture = forest(results)
    blocks: list[Block] = [Figures((picture,), width="narrow")] if picture else []
    compared = [finding for finding in findings(results) if finding.arm]
    for arm, own in itertools.groupby(compared, lambda finding: finding.arm):
        blocks.append(Claims(arm, tuple(own)))
    return Section(f"Every arm beside {results.sweep.baseline}", "comparisons", tuple(blocks))


def curves(results: Results) -> Section:
    """The metric by number of pairs, or the pictures of a search."""
    picture = by_size(results)
    figures = Figures((*([picture] if picture else []), *search_figures(results)))
    title, anchor = ("The search", "search") if results.sweep.kind == "search" else ("Learning curves", "by-size")
    return Section(title, anchor, (_legend(results), figures))


def arms_by_pairs(results: Results) -> Section:
    table = arm_table(results)
    comparisons = Numbers(evidence_tables.comparisons(results), "comparisons")
    folded = Details("All comparisons, with what they rest on", comparisons, in_markdown=True)
    return Section("Arms by number of pairs", "arms", (Arms(table), folded), data={"arm_cells": table.cells})


def curves_of_training(results: Results) -> Section:
    select = wording.sentence_start(wording.metric_name(results.sweep.select))
    columns = len(results.sizes) if 2 <= len(results.sizes) <= 4 else 4
    blocks: list[Block] = [
        _legend(results),
        Remark(
            f"{select} over optimiser steps, one line a replicate, the same vertical axis throughout. Dashed: had not "
            "converged. Dot: the checkpoint that was kept."
        ),
        Figures(tuple(training_curves(results)), columns=columns),
    ]
    if (left_out := len(with_curves(results)) - MOST_PANELS) > 0:
        blocks.append(Remark(f"{left_out} more panels are left out; report.json holds their numbers."))
    return Section("Training curves", "training-curves", tuple(blocks))


def _legend(results: Results) -> Legend:
    return Legend(tuple(legend(results)), results.sweep.baseline)
