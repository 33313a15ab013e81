"""Tuning of the settings of arms, and its consequences for what a comparison can claim.

A tuning that all replicates share is one draw: its luck is the same in each of them, so no spread between replicates
shows it. An arm whose values were tuned once, and not to those of the baseline, can therefore look better or worse than
it by that luck. Tuned in each replicate, the luck differs between replicates like that of subsets and starts.
"""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.results import Group, Results

HOW_TO_TUNE = "ablation.tune.repeat: each_replicate"


def is_tuned(results: Results) -> bool:
    return bool(results.tuning) or any(r.planned.tuning_trials for r in results.all)


def tuned_once(results: Results) -> bool:
    """True if all replicates share one tuning, also of a sweep from before tuning could be repeated."""
    places = [r.planned for r in (*results.tuning, *results.all)]
    return is_tuned(results) and any(planned.tuning_replicate is None for planned in places)


def not_about_the_technique(results: Results, group: Group, *others: Group) -> str:
    """Reason why a comparison says nothing of the technique, as the end of a sentence; empty without one.

    Args:
        others: groups of the baseline; at the group's own size unless given. If they have the same tuned values, the
            comparison is one at a setting, and luck in tuning has no part in it.
    """
    baseline = results.group(results.sweep.baseline, group.size)
    against = others or ((baseline,) if baseline else ())
    differ = sorted({key for other in against for key in _different(group, other)}) if tuned_once(results) else []
    if not differ:
        return ""
    return (
        f"{wording.listed(differ)} {'was' if len(differ) == 1 else 'were'} tuned only once and not to the same "
        f"{'value' if len(differ) == 1 else 'values'} as in {results.sweep.baseline}, so luck in tuning is in no "
        f"interval; tune in each replicate ({HOW_TO_TUNE})"
    )


def failed_tunings(results: Results, group: Group) -> tuple[int, int]:
    """Replicates of an arm and size that are left out because no tuning trial finished, and all that were tuned."""
    tuned = {r.planned.tuning_replicate for r in results.tuning if (r.planned.arm, r.planned.pairs) == _place(group)}
    return len(tuned - {r.planned.tuning_replicate for r in group.results}), len(tuned)


def _place(group: Group) -> tuple[str, int | None]:
    return group.arm, group.size


def _different(group: Group, other: Group) -> set[str]:
    """Keys that one of two groups tuned, or that both tuned to different values."""
    ours, theirs = (of.results[0].planned.tuned for of in (group, other))
    return {key for key in {*ours, *theirs} if key not in ours or key not in theirs or ours[key] != theirs[key]}
