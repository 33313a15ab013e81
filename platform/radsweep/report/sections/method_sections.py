"""Sections on the runs and their methods: the best configuration, cost, data, methods, and every cell."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.sections.section import Bullets, Chosen, Details, Listing, Numbers, Section, SideBySide
from radsweep.report.sections.subgroup_section import without_subgroups
from radsweep.report.tables import overview
from radsweep.report.tables.class_measures import measured_what
from radsweep.report.tables.tuning import tuning_notes
from radsweep.report.text.best import (
    best_yaml,
    candidate_yaml,
    experiment_of,
    experiment_yaml,
    how_chosen,
    selection,
    why_candidate,
)
from radsweep.report.text.design import replicates_differ_by
from radsweep.report.text.limits import adaptation, selection_cost
from radsweep.report.text.reads_of_test import reads_of_test_split
from radsweep.report.text.recommendation import recommendation


def best_configuration(results: Results) -> Section:
    chosen = selection(results)
    best, how, text = chosen.recommended, how_chosen(results, chosen), best_yaml(results, chosen, _evidence(results))
    return Section(
        "The best configuration",
        "best",
        (Chosen(text, "best.yaml"),) if text else (),
        data={"chosen": how, "best": experiment_of(results, best, "best"), "best_yaml": text},
        files={"best.yaml": text} if text else {},
    )


def candidate(results: Results) -> Section:
    """The arm with the best mean, if the report advises another one."""
    chosen = selection(results)
    why, text = why_candidate(results, chosen), candidate_yaml(results, chosen, _evidence(results))
    return Section(
        "A candidate, not recommended",
        "candidate",
        (Chosen(text, "candidate.yaml"),) if text else (),
        data={"candidate": why, "candidate_yaml": text},
        files={"candidate.yaml": text} if text else {},
    )


def _evidence(results: Results) -> str:
    advice = recommendation(results)
    return advice.evidence if advice else ""


def cost(results: Results) -> Section:
    numbers = Numbers(overview.cost_table(results), "cost", "pairs")
    return Section("Cost", "cost", (numbers, Numbers(overview.stages(results), "stages", titled=True)))


def data(results: Results) -> Section:
    card = overview.data_card(results)
    side_by_side = SideBySide(tuple(Numbers(table, style="", titled=True) for table in card))
    return Section("Data", "data", (side_by_side,), data={"data": card})


def how_it_was_done(results: Results) -> Section:
    limits, asked = _limits(results), experiment_yaml(results)
    return Section(
        "How it was done",
        "method",
        (
            Bullets(tuple(limits)),
            Numbers(overview.provenance(results), "provenance", "pairs"),
            Details("The experiment", Listing(asked)),
        ),
        data={"limits": limits, "experiment": asked},
    )


def every_cell(results: Results) -> Section:
    numbers = Numbers(overview.all_cells(results), "cells", "numbers tall", row_anchor="cell")
    return Section("Where each number comes from", "cells", (numbers,))


def _limits(results: Results) -> list[str]:
    selected = wording.metric_name(results.sweep.select)
    ranked = f"Checkpoints and winners were chosen by {selected}; the test split had no part in any choice."
    if results.sweep.kind == "ablation" and results.metric.startswith("test/"):
        ranked = (
            f"Checkpoints were chosen and arms ranked by {selected}; the test split decides only whether an arm is "
            "shown to be better than the baseline."
        )
    limits = [
        ranked,
        f"Measured were {measured_what(results)}. The numbers are of these studies; they say nothing of other "
        "hospitals, or of clinical use.",
    ]
    limits += [
        *filter(None, [reads_of_test_split(results), selection_cost(results)]),
        *tuning_notes(results),
        *adaptation(results),
    ]
    if results.sweep.kind == "ablation":
        limits += [
            _spread(results),
            "Compute counts the adaptation of an arm's towers in full, though a sweep runs each stage once.",
            *results.evidence.notes,
            *without_subgroups(results),
        ]
    return limits


def _spread(results: Results) -> str:
    """Sentence on the parts of the spread over replicates and of intervals."""
    if not (differ := replicates_differ_by(results)):
        return "There is one replicate an arm, so intervals only hold the noise of a finite set of patients."
    return (
        f"± is the standard deviation over replicates ({wording.listed(differ)}); intervals hold the noise of a finite "
        "set of patients as well."
    )
