"""One report against the truth: counts, as one row of JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from claims_referee.draws import Role, Truth
from claims_referee.fabricated import arm_name
from claims_referee.metrics import BOUNDS, LOWER_IS_BETTER
from claims_referee.oracle import critical
from claims_referee.reading import Claims, Comparison, Stated
from claims_referee.scenario import Scenario

DECIDED = ("helped", "hurt")
CLAIMED = (*DECIDED, "equivalent")
Row = dict[str, Any]
_NEAR = 1e-9


class Judge:
    """The truth of one report."""

    def __init__(self, scenario: Scenario, truth: Truth, roles: Sequence[Role], pool: int) -> None:
        self.scenario, self.truth, self.pool = scenario, truth, pool
        self.role = {arm_name(arm): role for arm, role in enumerate(roles)}
        self.place = {size: number for number, size in enumerate(scenario.sizes)}
        self.sign = -1 if scenario.metric in LOWER_IS_BETTER else 1

    def row(self, found: Claims, leading: str) -> Row:
        """Counts are pairs: how many were right or wrong, of how many."""
        each = [(one, self.difference(one)) for one in found.comparisons]
        false = [one for one, true in each if self.is_false(one, true, found.margin)]
        recommended_false = bool(found.recommended and self._gain(*found.recommended) <= _NEAR)
        stated = [(one, true) for one, true in each if _stated(one)]
        held = [one.holds(true) for one, true in stated]
        selected = found.recommended[0] if found.recommended and found.recommended[0] != "baseline" else leading
        last = self.scenario.sizes[-1]
        chosen = [one.holds(true) for one, true in stated if (one.arm, one.size) == (selected, last)]
        levels = [one.holds(self._mean(one)) for one in found.levels if _stated(one)]
        planted = [one.verdict in DECIDED for one, _ in each if self.role[one.arm].startswith("planted")]
        return {
            "false": [len(false), len(each)],
            "false_report": bool(false) or recommended_false,
            "false_equivalent": sum(one.verdict == "equivalent" for one in false),
            "recommended_false": recommended_false,
            "each": _count(held),
            "joint": all(held) if held and len(held) == len(each) else None,
            "selected": _count(chosen),
            "levels": _count(levels),
            "multipliers": _count([self._holds_multiplier(one) for one in found.multipliers if _stated(one)]),
            "found": _count(planted),
            "corrected_for": max((one.compared or 1 for one in found.comparisons), default=1),
            "widths": [round(w, 4) for one, _ in stated if (w := self._relative_width(one)) is not None],
            "contradictions": self._contradictions(found),
            "beyond": self._beyond(found),
            "verdicts": Counter(one.verdict for one in found.comparisons),
            "test": found.split == "test",
        }

    def difference(self, one: Stated) -> float:
        return self._mean(one) - self._mean(replace(one, arm="baseline"))

    def is_false(self, one: Comparison, true: float, margin: float | None) -> bool:
        if one.verdict == "equivalent":
            points = 1 if self.scenario.metric in LOWER_IS_BETTER else 100
            return margin is None or points * abs(true) >= margin - 1e-6
        if one.verdict not in DECIDED:
            return False
        gain = self.sign * true
        return gain <= _NEAR if one.verdict == "helped" else gain >= -_NEAR

    def _mean(self, one: Stated) -> float:
        return float(self.truth["mean"][self.role[one.arm]][self.pool][self.place[one.size]])

    def _gain(self, arm: str, size: int) -> float:
        place = Stated(arm, size, None, None, None)
        return math.inf if arm == "baseline" else self.sign * self.difference(place)

    def _relative_width(self, one: Comparison) -> float | None:
        """Times the oracle's, corrected for as many comparisons; None of an arm that lacks replicates."""
        if (self.scenario.failed or self.scenario.withheld) and one.arm == arm_name(1):
            return None
        error = self.truth["error"][self.role[one.arm]][self.place[one.size]]
        return (
            None
            if one.width is None or one.compared is None
            else float(one.width / (2 * critical(one.compared) * error))
        )

    def _holds_multiplier(self, one: Stated) -> bool:
        """Numbers of pairs at which the baseline's curve really has the arm's mean: 0 or infinite beyond the range."""
        pairs_K, curve_K = (np.array(part) for part in self.truth["curve"])
        above_K = self.sign * (curve_K - self._mean(one))
        crossed = np.flatnonzero(above_K[:-1] * above_K[1:] <= 0)
        at = [float(np.interp(0, *_rising(above_K[k : k + 2], pairs_K[k : k + 2]))) / one.size for k in crossed]
        if not self.role[one.arm].startswith("planted"):
            at.append(1.0)
        if not at:
            at = [math.inf if above_K.max() < 0 else 0.0]
        return any(one.holds(value * (1 + near)) for value in at for near in (-1e-6, 0.0, 1e-6))

    def _contradictions(self, found: Claims) -> int:
        """Verdicts that their own interval, or the multiplier beside them, contradicts."""
        verdicts = {(one.arm, one.size): one.verdict for one in found.comparisons}
        apart = [one for one in found.comparisons if _stated(one) and one.verdict in ("open", *DECIDED)]
        count = sum(one.holds(0) == (one.verdict in DECIDED) for one in apart)
        times = [one for one in found.multipliers if verdicts.get((one.arm, one.size)) == "open"]
        return count + sum(not one.holds(1) for one in times)

    def _beyond(self, found: Claims) -> int:
        """Stated numbers outside what the metric can be."""
        low, high = BOUNDS.get(self.scenario.metric, (0.0, 1.0))
        room = high - low + _NEAR
        differences = [end for one in found.comparisons for end in (one.estimate, one.low, one.high)]
        levels = [end for one in found.levels for end in (one.estimate, one.low, one.high)]
        outside = [end for end in differences if end is not None and abs(end) > room]
        return len(outside + [e for e in levels if e is not None and not low - _NEAR <= e <= high + _NEAR])


def after_looks(looks: Sequence[Claims]) -> Claims:
    """The claims of a reader who stops for each comparison at the first look that decides it."""
    kept = {(one.arm, one.size): one for one in looks[-1].comparisons}
    for found in reversed(looks):
        kept |= {(one.arm, one.size): one for one in found.comparisons if one.verdict in CLAIMED}
    advised = [found.recommended for found in looks if found.recommended and found.recommended[0] != "baseline"]
    recommended = advised[0] if advised else looks[-1].recommended
    return replace(looks[-1], comparisons=tuple(kept.values()), recommended=recommended)


def _stated(one: Stated) -> bool:
    return one.low is not None or one.high is not None


def _count(flags: Sequence[bool]) -> list[int]:
    return [sum(flags), len(flags)]


def _rising(at: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (at, value) if at[0] <= at[1] else (at[::-1], value[::-1])
