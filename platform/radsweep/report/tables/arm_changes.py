"""Keys and values of each arm that differ from the baseline."""

from __future__ import annotations

from dataclasses import dataclass

from radsweep.config import keys
from radsweep.report import wording
from radsweep.report.analysis.results import Results


@dataclass(frozen=True)
class Change:
    """A key with its value in the arm and in the baseline, as YAML would have them."""

    key: str
    value: str
    baseline: str


def arm_changes(results: Results, arm: str) -> tuple[Change, ...]:
    """Changes in the order of the experiment file; settings that tuning chose are not among them."""
    changes = {r.planned.arm: r.planned.changes for r in results.all}
    ours, theirs = changes.get(arm, {}), changes.get(results.sweep.baseline, {})
    found = []
    for key in dict.fromkeys((*ours, *theirs)):
        base = keys.get(results.sweep.experiment, key)
        value, against = ours.get(key, base), theirs.get(key, base)
        if value != against:
            found.append(Change(key, wording.setting(value), wording.setting(against)))
    return tuple(found)
