"""Tuning of an ablation's settings: the same number of trials for every arm, and their choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from radsweep.report import wording
from radsweep.report.analysis.results import Result, Results
from radsweep.report.analysis.tuned import tuned_once
from radsweep.report.tables.table import Table, size_cell
from radsweep.store.records import ArmSize, TuningPlace

MOST_LISTED = 5  # replicates whose values are listed one by one


def tuning(results: Results) -> Table:
    """One row an arm and size: trials behind its numbers, the best of them, the chosen settings.

    If replicates were tuned each by itself, the best is the mean over them, and settings are in their order.
    """
    select, rows = results.sweep.select, []
    for (arm, size), tried in _by_place(results).items():
        finished = [r for r in tried if r.status == "finished"]
        group = results.group(arm, size)
        choices = {r.planned.tuning_replicate: r.planned.tuned for r in group.results} if group else {}
        taken = {  # two points of one tuning may be the same
            r.planned.tuning_replicate: value
            for r in reversed(finished)
            if choices.get(r.planned.tuning_replicate) == r.planned.tuned and (value := r.value(select)) is not None
        }
        best = wording.number(select, sum(taken.values()) / len(taken) if taken else None)
        chosen = _settings(list(choices.values())) or "none finished"
        rows.append((arm, size_cell(size), f"{len(tried):,}", f"{len(finished):,}", best, chosen))
    name = wording.metric_name(select)
    mean = "" if tuned_once(results) else ", mean over replicates"
    head = ("arm", "pairs", "trials", "finished", f"best {name}{mean}", "chosen")
    return Table("Tuning: trials behind each arm's numbers", head, tuple(rows))


def tuning_notes(results: Results) -> Iterator[str]:
    """Explanation of the tuning for a reader."""
    if not results.tuning:
        return
    trials = len({r.planned.tuning for r in results.tuning})
    if tuned_once(results):
        how, again = f"at every size with {trials} trials of its own", "on fresh seeds"
    else:
        how = f"at every size and in each replicate with {trials} trials of its own on the replicate's subset"
        again = "on that subset from a fresh start"
    yield (
        f"Every arm was tuned {how}, chosen by {wording.metric_name(results.sweep.select)}; what was chosen ran again "
        f"{again}, and only those runs read the test split. The best value of the tuning is the best of many: it is "
        "not an estimate."
    )
    ended: Counter[TuningPlace] = Counter(r.planned.tuning_place for r in results.tuning if r.status == "finished")
    if len(set(ended.values())) > 1:  # the sweep's notes report those in which none finished
        arm, size, replicate = few = min(ended, key=lambda place: ended[place])
        of = "" if replicate is None else f" in replicate {replicate + 1}"
        yield (
            f"Not all of them finished: {arm} was chosen among {ended[few]} at {wording.size_name(size)}{of}, others "
            f"among up to {max(ended.values())}. The budgets were not equal."
        )


def _settings(choices: Sequence[dict[str, Any]]) -> str:
    """`train.learning_rate 0.001, 0.003`: the values of each key, by replicate; of many replicates their range."""
    parts = []
    for key in dict.fromkeys(key for values in choices for key in values):
        values = [values[key] for values in choices if key in values]
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if len(values) <= MOST_LISTED:
            shown = ", ".join(map(wording.setting, values))
        elif len(numbers) == len(values):
            shown = f"{wording.setting(min(numbers))} to {wording.setting(max(numbers))}"
        else:
            shown = ", ".join(
                f"{value} ({times} times)" for value, times in Counter(map(wording.setting, values)).items()
            )
        parts.append(f"{key} {shown}")
    return "; ".join(parts)


def _by_place(results: Results) -> dict[ArmSize, list[Result]]:
    """The trials that tuned each arm at each size."""
    places: dict[ArmSize, list[Result]] = {}
    for r in results.tuning:
        places.setdefault((r.planned.arm, r.planned.pairs), []).append(r)
    return places
