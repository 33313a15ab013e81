"""The report's answer in a sentence, and every comparison with the claim that it supports."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from radsweep.config.metrics import Metric
from radsweep.report import wording
from radsweep.report.analysis.convergence import DOUBTS, SAME_RUN, answer
from radsweep.report.analysis.results import Group, Result, Results, once
from radsweep.report.analysis.tuned import tuned_once
from radsweep.report.text.reads_of_test import winner_on_test_split, with_interval
from radsweep.report.text.verdicts import Finding, compared

MOST_NAMED = 6  # comparisons whose arms are named in the headline


@once
def findings(results: Results) -> list[Finding]:
    """The answer first, then one finding a comparison."""
    if not results.measured:
        return [Finding("measured", _nothing(results))]
    if results.sweep.kind == "ablation":
        comparisons = [f for group in _by_size(results) if (f := compared(results, group))]
        return [Finding("measured", _answer(results, comparisons)), *_shortened(results, comparisons)]
    if results.sweep.kind == "search":
        return [Finding("measured", sentence) for sentence in _search(results)]
    return [Finding("measured", _alone(results, results.measured[0]))]


def _by_size(results: Results) -> list[Group]:
    found = [results.group(arm, size) for arm in results.arms for size in results.sizes]
    return [group for group in found if group is not None and group.arm != results.sweep.baseline]


def _shortened(results: Results, comparisons: Sequence[Finding]) -> list[Finding]:
    """Merge the sentences of all sizes if an arm is the baseline's run at each of them."""
    short: dict[tuple[str, int | None], Finding] = {}
    for finding in comparisons:
        own = [f for f in comparisons if f.arm == finding.arm]
        if len(own) > 1 and all(f.verdict == "same run" for f in own):
            at = wording.sizes_name([f.size for f in own])
            sentence = f"At {at}, {finding.arm} gave exactly the same numbers as {results.sweep.baseline}: {SAME_RUN}."
            cells = tuple(number for f in own for number in f.cells)
            short[finding.arm, None] = Finding("same run", sentence, finding.arm, cells=cells)
        else:
            short[finding.arm, finding.size] = finding
    return list(short.values())


# In the order of the answer: of one comparison, and of several.
_ANSWERS: dict[str, tuple[str, str]] = {
    "helped": ("helped", "helped"),
    "hurt": ("hurt", "hurt"),
    "not converged": (
        "is not judged, since training is not known to have converged",
        "are not judged, since training is not known to have converged",
    ),
    "equivalent": ("made no difference that matters", "made no difference that matters"),
    "open": ("is open", "are open"),
    "cannot be claimed": ("supports no claim", "support no claim"),
    "same run": ("is the same run", "are the same run"),
}


def _answer(results: Results, compared: Sequence[Finding]) -> str:
    """`Of 6 comparisons with baseline: local helped at 300 pairs; 4 are open; 1 supports no claim.`"""
    if not compared:
        return "No arm could be compared with a baseline so far; the table holds what was measured."
    parts = []
    for verdict, (one, several) in _ANSWERS.items():
        found = [f for f in compared if f.verdict == verdict]
        if not found:
            continue
        if verdict in ("helped", "hurt", "equivalent") and len(found) <= MOST_NAMED:
            sizes: dict[str, list[int | None]] = {}
            for f in found:
                sizes.setdefault(f.arm, []).append(f.size)
            parts += [f"{arm} {one} at {wording.sizes_name(at)}" for arm, at in sizes.items()]
        else:
            parts.append(f"{len(found)} {one if len(found) == 1 else several}")
    values = "; the values were tuned once, and claims speak of these only" if tuned_once(results) else ""
    if len(compared) == 1 and parts[0].startswith("1 "):
        return f"The one comparison with {results.sweep.baseline} {parts[0][2:]}{values}."
    if len(parts) == 1 and parts[0].startswith(f"{len(compared)} "):
        every = "Both" if len(compared) == 2 else f"All {len(compared)}"
        return f"{every} comparisons with {results.sweep.baseline} {parts[0].partition(' ')[2]}{values}."
    return f"Of {wording.count(len(compared), 'comparison')} with {results.sweep.baseline}: {'; '.join(parts)}{values}."


def _chance(results: Results, metric: str | None = None) -> str:
    metric = metric or results.metric
    level, pool = results.chance(metric), results.pool(metric)
    among = f" among {pool:,} candidates" if pool else ""
    return f"chance is {wording.number(metric, level)}{among}" if level is not None else "no chance level was recorded"


def _search(results: Results) -> list[str]:
    best = results.leader
    assert best is not None
    metric, measured = results.metric, results.measured
    median = statistics.median(v for r in measured if (v := r.value(metric)) is not None)
    doubt = DOUBTS.get(answer(best))
    late = f" It {doubt} when it ended." if doubt else ""
    which = f"The best of {wording.count(len(measured), 'measured trial')}"
    if best.status == "stopped":
        late += " It was stopped early, and none is recommended, because no trial has finished."
    elif any(r.status == "stopped" for r in measured):
        which = f"Of {wording.count(len(measured), 'measured trial')} the best that finished"
    lines = [
        f"{which} is trial {best.planned.number}: "
        f"{wording.number(metric, best.value(metric))} {wording.metric_name(metric)}; the median trial reached "
        f"{wording.number(metric, median)}, and {_chance(results)}.{late}",
        f"This number is optimistic by an unknown amount: it is the best of {len(measured)} on the validation studies "
        "that chose it, from one seed.",
    ]
    if tested := winner_on_test_split(results, best):
        lines.append(f"{tested}; {_chance(results, str(Metric(metric).on('test')))}.")
    return lines


def _alone(results: Results, result: Result) -> str:
    record = result.record
    assert record is not None
    parts = [f"{with_interval(results, results.metric, result)} {wording.metric_name(results.metric)}"]
    if results.metric != results.sweep.select:
        parts.append(
            f"{wording.number(results.sweep.select, result.value(results.sweep.select))} on the validation split "
            "that chose the checkpoint"
        )
    doubt = DOUBTS.get(record.convergence)
    state = f"it {doubt}, so longer training may change this" if doubt else "it had converged"
    return (
        f"One trial on {record.pairs:,} pairs reached {wording.listed(parts)}; {_chance(results)}; {state}. "
        "A single run does not show how much such numbers vary between seeds."
    )


def _nothing(results: Results) -> str:
    failed = [r for r in results.all if r.status == "failed"]
    if failed and len(failed) == len(results.all):
        return (
            f"All {wording.count(len(failed), 'cell')} failed, so there is nothing to compare; the reasons are below."
        )
    waiting = len(results.all) - len(failed)
    return f"No cell has been measured yet: {waiting:,} of {len(results.all):,} still to come, {len(failed):,} failed."
