"""Tables of statistics, already worded: factorial effects, levels, other measures, importances."""

from __future__ import annotations

from typing import Any

from radsweep.config import keys
from radsweep.config.ablation import level_name
from radsweep.config.metrics import DIRECTIONS, Metric
from radsweep.evaluation.statistics import Importances, fanova_importances
from radsweep.evaluation.statistics.fractions import Confounded
from radsweep.evaluation.statistics.importances import FEWEST_TRIALS
from radsweep.report import wording
from radsweep.report.analysis.evidence import Evidence
from radsweep.report.analysis.results import Results, once
from radsweep.report.tables.table import Table, cell_numbers, size_cell

_TASKS = ("/zero_shot", "/100_percent")  # their scores are kept


def effects_table(results: Results) -> Table:
    """Effects of a factorial design: each technique averaged over the others, and interactions of two.

    For a fractional design, also the confounded effects of each number.
    """
    evidence, metric = results.evidence, results.metric
    fraction = any(effect.confounded != Confounded() for found in evidence.effects.values() for effect in found)
    rows = [
        (
            " × ".join(effect.factors),
            size_cell(size),
            wording.difference_bracketed(metric, effect.difference),
            wording.p_value(effect.difference.p_adjusted).removeprefix("= "),
            effect.others,
            *([_confounded(effect.confounded)] if fraction else []),
            effect.difference.rests_on,
            cell_numbers([r for r in results.all if r.planned.pairs == size and r.value(metric) is not None]),
        )
        for size, found in evidence.effects.items()
        for effect in found
    ]
    head = ("factor", "pairs", "effect", "p, corrected", "other factors", *(["confounded with"] if fraction else []))
    return Table("Main effects and interactions", (*head, "rests on", "cells"), tuple(rows))


def _confounded(also: Confounded) -> str:
    """`b × c, −a × d, interactions of 3 or more`: a minus if the number contains the other's negative."""
    parts = [("−" if sign < 0 else "") + " × ".join(term) for sign, term in also.pairs]
    parts += [f"interactions of {also.beyond} or more"] if also.beyond else []
    return ", ".join(parts) or "–"


def levels_table(results: Results) -> Table:
    """Levels of a one-at-a-time design: every level of a key in its order, with the base trial's own."""
    evidence, metric = results.evidence, results.metric
    ablation = results.sweep.ablation
    rows = []
    for key, values in (ablation.levels if ablation else {}).items():
        own = keys.get(results.sweep.experiment, key)
        for size in results.sizes:
            for value in _in_order([*values, *([] if own in values else [own])]):
                arm = results.sweep.baseline if value == own else level_name(key, value)
                group = results.group(arm, size)
                if group is None or not group.measured(metric):
                    continue
                interval, change = evidence.levels.get((arm, size)), evidence.differences.get((arm, size))
                shown = wording.value_bracketed(metric, interval) if interval else ""
                rows.append(
                    (
                        key,
                        wording.setting(value) + (" (base)" if value == own else ""),
                        size_cell(size),
                        shown or wording.with_deviation(metric, group.spread(metric)),
                        wording.difference_bracketed(metric, change) if change else "–",
                        wording.p_value(change.p_adjusted).removeprefix("= ") if change else "–",
                        str(len(group.measured(metric))),
                        cell_numbers(group.measured(metric)),
                    )
                )
    head = ("key", "level", "pairs", "value", "difference from the base", "p, corrected", "n", "cells")
    return Table("Levels", head, tuple(rows))


def _in_order(values: list[Any]) -> list[Any]:
    """Sort key: numbers by size, anything else in the given order."""
    numbers = all(isinstance(value, int | float) for value in values)
    return sorted(values) if numbers else values


def measures_table(results: Results) -> Table:
    """Other metrics of the test split with intervals; each is corrected over its own comparisons."""
    rows = []
    for metric in other_metrics(results):
        evidence = results.evidence_of(metric)
        for (arm, size), interval in evidence.levels.items():
            rows.append(
                (
                    arm,
                    size_cell(size),
                    wording.metric_name(metric) + wording.without(evidence.left_out),
                    wording.value_bracketed(metric, interval),
                    _change(evidence, metric, (arm, size)),
                    str(interval.seeds),
                    cell_numbers([r for r in results.all if (r.planned.arm, r.planned.pairs) == (arm, size)]),
                )
            )
    head = ("arm", "pairs", "measure", "value", "difference", "n", "cells")
    return Table("Other measures with intervals", head, tuple(rows))


def _change(evidence: Evidence, metric: str, place: tuple[str, int | None]) -> str:
    change = evidence.differences.get(place)
    if change is None:
        return "–"
    return f"{wording.difference_bracketed(metric, change)}, p {wording.p_value(change.p_adjusted)}"


def other_metrics(results: Results) -> list[str]:
    """The same metric in the other direction and by the local score, then macro AUROC of each task."""
    if results.sweep.kind != "ablation" or not results.metric.startswith("test/"):
        return []
    name = Metric(results.metric).name
    wanted = [f"test/{direction}{score}/{name}" for score in ("", "_local") for direction in reversed(DIRECTIONS)]
    finals = [set(r.record.final) for r in results.measured if r.record]
    known = set().union(*finals)
    wanted += sorted(m for m in known if m.endswith("/auroc") and m.removesuffix("/auroc").endswith(_TASKS))
    return [metric for metric in wanted if metric in known and metric != results.metric]


def importances_table(found: Importances | None) -> Table:
    """Importances of a search that exceed chance: the association of each key with the metric."""
    if found is None or not found.keys:
        return Table("", (), ())
    rows = [
        (i.key, f"{100 * i.estimate:.0f} %", f"{100 * max(i.low, 0):.0f} to {100 * i.high:.0f} %") for i in found.keys
    ]
    rows.append(("other keys, combinations, noise", f"{100 * found.rest:.0f} %", ""))
    rows += [(key, "–", "not in every trial, or of one value") for key in found.left_out]
    interval = f"{100 * found.level:.4g} % interval over trials"
    return Table(f"Importance of keys, {found.trials} trials", ("key", "share of the spread", interval), tuple(rows))


def importances_beside_chance(found: Importances) -> str:
    """Sentence on which keys' importances are distinguishable from chance."""
    share = f"{100 * found.reference:.0f} %"
    if not found.keys:
        return (
            f"No key's importance is distinguishable from chance with {found.trials} trials: if the scores were dealt "
            f"out at random, some key would reach a share of {share} in 1 of 20 searches."
        )
    others = f" {wording.listed(found.chance)} cannot be distinguished from chance." if found.chance else ""
    return (
        f"Only keys with a share above {share} are shown: if the scores were dealt out at random, some key would reach "
        f"that in 1 of 20 searches.{others}"
    )


@once
def searched_importances(results: Results) -> Importances | None:
    """Estimate importances; None with fewer than 10 trials, or if nothing varied."""
    if results.sweep.kind != "search" or len(results.measured) < FEWEST_TRIALS:
        return None
    params = [r.planned.changes for r in results.measured]
    values = [v for r in results.measured if (v := r.value(results.metric)) is not None]
    try:
        return fanova_importances(params, values, results.sweep.space)
    except ValueError:  # all trials alike
        return None
