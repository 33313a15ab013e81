"""Sentences that explain the table of arms: its numbers and its columns."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.tables.arm_cells import ArmTable


def metric_explained(results: Results) -> str:
    """`Test recall@10, report to image: share of ... Chance: 2.5 %.`"""
    metric = results.metric
    name = wording.sentence_start(wording.metric_name(metric))
    return f"{name}: {wording.explained(metric, results.pool())}.{_chance(results)}"


def table_about(results: Results, table: ArmTable) -> str:
    """The line above the table: its metric and its numbers."""
    metric, base = results.metric, table.baseline
    spread = "[95 % interval]" if table.intervals else "± standard deviation"
    unit = wording.points(metric).replace(" ", ", in ")
    difference = f" Differences are from {base}{unit} {spread}." if base else ""
    return f"{metric_explained(results)}{difference}"


def table_reading(table: ArmTable) -> tuple[str, ...]:
    """The columns and the marks of the table, a sentence or two for each."""
    found = [
        "A cell has the verdict, the mean over n replicates, and the mean of the differences paired by replicate.",
        "Time: of a run, in times of the baseline's, adaptation included. Gain: the difference divided by the hours of "
        "a run, summed over its GPUs, or over its workers if it ran on the CPU; only if the arm helped or hurt.",
    ]
    if table.has_best:
        found.append(
            "Best: how probable it is that no arm has a higher mean, given the variance between patients and between "
            "seeds. It is not a verdict: an arm may be the most probable one and yet not be shown to be better."
        )
    return tuple(found)


def _chance(results: Results) -> str:
    level = results.chance()
    return (
        f" Chance: {wording.number(results.metric, level)}." if level is not None else " No chance level is recorded."
    )
