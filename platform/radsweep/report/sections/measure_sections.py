"""Sections of further numbers: effects, levels, measures, tuning, public models, and results of a search."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.analysis.tuned import tuned_once
from radsweep.report.figures.forest import importance_figure
from radsweep.report.figures.search import slices
from radsweep.report.sections.section import Bullets, Caution, Details, Figures, Numbers, Remark, Section
from radsweep.report.tables import comparisons, overview
from radsweep.report.tables.class_measures import by_class, further
from radsweep.report.tables.pareto_front import front_table
from radsweep.report.tables.public_models import public_models
from radsweep.report.tables.tuning import tuning
from radsweep.report.text.design import tuning_statement
from radsweep.report.text.public_models import CAUTION


def effects(results: Results) -> Section:
    table = comparisons.effects_table(results)
    confounded = (
        " Not every combination was run: each number holds what it is confounded with as well, and no number of this "
        "table can separate them."
        if "confounded with" in table.head
        else ""
    )
    about = f"One technique: on minus off. Two: how much more the one adds if the other is on.{confounded}"
    failed = sorted({progress.arm for progress in results.progress.values() if progress.failed_too_often})
    survivors = (
        f"These effects rest on the replicates that every arm has, and too many of {wording.listed(failed)} failed: "
        "those that did not may be the easy ones."
        if failed
        else ""
    )
    tuned = f" {tuning_statement(results)}" if tuned_once(results) else ""
    remark = Remark(f"{about} Corrected over this table.{tuned}")
    return Section(table.title, "effects", (remark, Caution(survivors), Numbers(table, "effects")))


def levels(results: Results) -> Section:
    table = comparisons.levels_table(results)
    about = Remark("One value changed at a time, all else as in the base trial.")
    return Section(table.title, "levels", (about, Numbers(table, "levels", "numbers tall")))


def measures(results: Results) -> Section:
    table = comparisons.measures_table(results)
    about = Remark(
        f"Of the test split. Differences are from {results.sweep.baseline}, p corrected over the comparisons of the "
        "same measure."
    )
    return Section(table.title, "measures", (about, Numbers(table, "measures", "numbers tall")))


def further_measures(results: Results) -> Section:
    table, classes = further(results), by_class(results)
    style = "numbers tall reasons" if results.sweep.kind == "ablation" else "numbers tall"
    return Section(
        table.title,
        "further",
        (
            Remark("Of the test split. Chance: what random embeddings give on average."),
            Numbers(table, "further", style),
            Details(classes.title, Numbers(classes, "by_class", "numbers tall")),
        ),
    )


def tuned(results: Results) -> Section:
    table = tuning(results)
    return Section(table.title, "tuning", (Numbers(table, "tuning"),))


def models(results: Results) -> Section:
    table = public_models(results)
    about = CAUTION if results.references else ""
    return Section(table.title, "models", (Caution(about), Numbers(table, "models")), data={"models_about": about})


def importances(results: Results) -> Section:
    found = comparisons.searched_importances(results)
    table = comparisons.importances_table(found)
    said = (comparisons.importances_beside_chance(found),) if found else ()
    stopped = sum(r.status == "stopped" for r in results.measured)
    figures = Figures((importance_figure(found, stopped),) if found and found.keys else (), width="narrow")
    title = table.title or "Importance of keys"
    blocks = (Bullets(said), figures, Numbers(table, "importances_table", "pairs"))
    return Section(title, "importances", blocks, data={"importances": found, "importances_beside_chance": said})


def searched_keys(results: Results) -> Section:
    about = Remark(
        "Each point is a trial. Diamond: the chosen one. Hollow: stopped early. Trials were placed by the search, not "
        "at random, and other keys varied too: read patterns here as hints."
    )
    return Section("What each key did", "keys", (about, Figures(tuple(slices(results)), columns=4)))


def front(results: Results) -> Section:
    table = front_table(results)
    about = Remark("From the cheapest on. Chosen on the validation split; the test split had no part in it.")
    return Section(table.title, "front", (about, Numbers(table, "front", "")))


def top(results: Results) -> Section:
    table = overview.top_trials(results)
    return Section(table.title, "top", (Numbers(table, "top", ""),))


def others(results: Results) -> Section:
    table = overview.further_metrics_table(results)
    return Section(table.title, "others", (Numbers(table, "others"),))
