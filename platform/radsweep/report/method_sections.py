"""Sections on what was run: the best configuration, cost, data, methods, and every cell."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.results import Results, best_result
from radsweep.report.section import Bullets, Chosen, Details, Listing, Numbers, Section, SideBySide
from radsweep.report.tables import overview
from radsweep.report.tables.class_measures import measured_what
from radsweep.report.tables.tuning import tuning_notes
from radsweep.report.text.best import best_experiment, best_yaml, experiment_yaml, how_chosen
from radsweep.report.text.findings import findings
from radsweep.report.text.limits import adaptation
from radsweep.report.text.recommendation import recommendation


def best_configuration(results: Results) -> Section:
    best, advice = best_result(results), recommendation(results, findings(results))
    how = how_chosen(results, best) if best else ""
    text = best_yaml(results, advice.evidence if advice else "") or ""
    changes = tuple((k, wording.setting(v)) for k, v in best.planned.changes.items()) if best else ()
    return Section(
        "The best configuration",
        "best",
        (Chosen(how, changes, text),) if text else (),
        data={"chosen": how, "best": best_experiment(results), "best_yaml": text},
        files={"best.yaml": text} if text else {},
    )


def cost(results: Results) -> Section:
    numbers = Numbers(overview.cost(results), "cost", "pairs")
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
    limits = [
        f"Checkpoints and winners were chosen by {selected}; the test split had no part in any choice.",
        f"Measured were {measured_what(results)}. The numbers are of these studies; they say nothing of other "
        "hospitals, or of clinical use.",
    ]
    limits += [*tuning_notes(results), *adaptation(results)]
    if results.sweep.kind == "ablation":
        limits += [
            "± is the standard deviation over replicates (subset of studies and start); intervals hold the noise of a "
            "finite set of patients as well.",
            "Compute counts the adaptation of an arm's towers in full, though a sweep runs each stage once.",
            *results.evidence.notes,
        ]
    return limits
