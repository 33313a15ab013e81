"""Tuning of the settings of arms, and its consequences for what a comparison can claim.

A tuning that all replicates share is one draw: its luck is the same in each of them, so no spread between replicates
shows it. An arm with keys of its own that were tuned once can therefore look better or worse than the baseline by that
luck. Tuned in each replicate, the luck differs between replicates like that of subsets and starts.
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


def not_about_the_technique(results: Results, group: Group) -> str:
    """Reason why a comparison says nothing of the technique, as the end of a sentence; empty without one.

    Keys that both arms tune over the same values do not count: the comparison then speaks of what was chosen.
    """
    base = results.sweep.baseline
    if not tuned_once(results) or not (own := _tuned_differently(results, group.arm, base)):
        return ""
    owner = group.arm if set(own) & _tuned_keys(results, group.arm) else base
    were = "was" if len(own) == 1 else "were"
    return (
        f"{wording.listed(own)} {were} tuned for {owner} by itself and only once, so luck in tuning is in no interval; "
        f"tune in each replicate ({HOW_TO_TUNE})"
    )


def failed_tunings(results: Results, group: Group) -> tuple[int, int]:
    """Replicates of an arm and size that are left out because no tuning trial finished, and all that were tuned."""
    tuned = {r.planned.tuning_replicate for r in results.tuning if (r.planned.arm, r.planned.pairs) == _place(group)}
    return len(tuned - {r.planned.tuning_replicate for r in group.results}), len(tuned)


def _place(group: Group) -> tuple[str, int | None]:
    return group.arm, group.size


def _tuned_keys(results: Results, arm: str) -> set[str]:
    cells = [r.planned for r in (*results.tuning, *results.all) if r.planned.arm == arm]
    return {key for cell in cells for key in cell.tuned}


def _tuned_differently(results: Results, arm: str, base: str) -> list[str]:
    """Keys that one of two arms tunes, or that the two tune over different values."""
    ours, theirs = _tuned_keys(results, arm), _tuned_keys(results, base)
    tune = results.sweep.ablation.tune if results.sweep.ablation else None
    spaces = (tune.space_of(arm), tune.space_of(base)) if tune else ({}, {})
    return sorted((ours ^ theirs) | {key for key in ours & theirs if spaces[0].get(key) != spaces[1].get(key)})
