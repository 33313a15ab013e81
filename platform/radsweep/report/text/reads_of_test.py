"""Sentences on the reads of the test split: by the sweep itself, and by all sweeps of the store on the same data."""

from __future__ import annotations

from radsweep.config.metrics import Metric
from radsweep.report import wording
from radsweep.report.analysis.results import Result, Results
from radsweep.report.analysis.single_runs import interval_of_run

MOST_NAMED = 6


def with_interval(results: Results, metric: str, run: Result) -> str:
    """`27.0 % (95 % interval 22.1 to 32.5, over patients only)`; without results of its queries only the number."""
    found = interval_of_run(results, metric, run)
    if found is None:
        return wording.number(metric, run.value(metric))
    return wording.value_interval(metric, found).removesuffix(")") + ", over patients only)"


def winner_on_test_split(results: Results, best: Result) -> str:
    """Sentence on the test score of a search's winner, and on who else read the test split; empty without one."""
    test = str(Metric(results.sweep.select).on("test"))
    if best.value(test) is None:
        return ""
    read = len(results.ledger.tested | {best.planned.key})
    trials = wording.count(len(results.all), "trial")
    by = f"which {read:,} of {trials} have read" if read > 1 else "which only this trial has read"
    reached = with_interval(results, test, best)
    return f"On the test split, {by} and which had no part in the choice, it reached {reached}"


def reads_of_test_split(results: Results) -> str:
    """Sentence on the sweeps of the store that read the test split of this data set; empty if they are not known."""
    ledger = results.ledger
    if not ledger.sweeps:
        return ""
    named = list(ledger.sweeps[-MOST_NAMED:])
    more = len(ledger.sweeps) - len(named)
    names = wording.listed([*([f"{more:,} earlier ones"] if more else []), *named])
    sweeps = wording.count(len(ledger.sweeps), "sweep")
    compared = wording.count(ledger.comparisons, "comparison")
    chance = "; the intervals of this report correct for its own only" if ledger.comparisons else ""
    return (
        f"The test split of this data set was read by {sweeps} of this store ({names}), which made {compared} on it"
        f"{chance}."
    )
