"""Tuning of an ablation's settings: the same number of trials for every arm, and their choice."""

from __future__ import annotations

from collections.abc import Iterator

from radsweep.report import wording
from radsweep.report.analysis.results import Result, Results
from radsweep.report.tables.table import Table, size_cell


def tuning(results: Results) -> Table:
    """One row an arm and size: trials behind its numbers, the best of them, the chosen settings."""
    rows = []
    for (arm, size), tried in _by_place(results).items():
        finished = [r for r in tried if r.status == "finished"]
        group = results.group(arm, size)
        chosen = group.results[0].planned.tuned if group else {}
        taken = next((r for r in finished if group and r.planned.tuned == chosen), None)
        score = taken.value(results.sweep.select) if taken else None
        values = ", ".join(f"{key} {wording.setting(value)}" for key, value in chosen.items())
        shown = wording.number(results.sweep.select, score)
        rows.append((arm, size_cell(size), f"{len(tried):,}", f"{len(finished):,}", shown, values or "none finished"))
    select = wording.metric_name(results.sweep.select)
    return Table(
        "Tuning: trials behind each arm's numbers",
        ("arm", "pairs", "trials", "finished", f"best {select}", "chosen"),
        tuple(rows),
    )


def tuning_notes(results: Results) -> Iterator[str]:
    """Explanation of the tuning for a reader."""
    if not results.tuning:
        return
    trials = len({r.planned.tuning for r in results.tuning})
    yield (
        f"Every arm was tuned at every size with {trials} trials of its own, chosen by "
        f"{wording.metric_name(results.sweep.select)}; what was chosen ran again on fresh seeds, and only those runs "
        "read the test split. The best value of the tuning is the best of many: it is not an estimate."
    )
    ended = {place: sum(r.status == "finished" for r in tried) for place, tried in _by_place(results).items()}
    ended = {place: finished for place, finished in ended.items() if finished}  # the sweep's notes report the others
    if len(set(ended.values())) > 1:
        few = min(ended, key=lambda place: ended[place])
        yield (
            f"Not all of them finished: {few[0]} was chosen among {ended[few]} at {wording.size_name(few[1])}, others "
            f"among up to {max(ended.values())}. The budgets were not equal."
        )


def _by_place(results: Results) -> dict[tuple[str, int | None], list[Result]]:
    """The trials that tuned each arm at each size."""
    places: dict[tuple[str, int | None], list[Result]] = {}
    for r in results.tuning:
        places.setdefault((r.planned.arm, r.planned.pairs), []).append(r)
    return places
