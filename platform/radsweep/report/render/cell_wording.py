"""Words for the cells of the table of arms, shared by the page, Markdown and the terminal."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.tables.arm_cells import ArmCell
from radsweep.report.text import multipliers


def value_shown(metric: str, cell: ArmCell) -> str:
    """`18.1 % [16.0, 20.4]`, or `18.1 % ± 1.3` without an interval."""
    if cell.value.interval:
        return wording.value_bracketed(metric, cell.value.interval)
    return wording.with_deviation(metric, cell.value.spread)


def difference_shown(metric: str, cell: ArmCell) -> str:
    """`+6.0 [+4.1, +7.9] points`, or `+6.0 points ± 0.5` without an interval; empty without a comparison."""
    found = cell.comparison
    if found is None:
        return ""
    if found.change is not None:
        return wording.difference_bracketed(metric, found.change)
    return f"{wording.difference_with_unit(metric, found.difference)} {wording.deviation(metric, found.spread)}".strip()


def p_shown(cell: ArmCell) -> str:
    """`p = 0.012` after correction; empty without a test."""
    found = cell.comparison
    return f"p {wording.p_value(found.change.p_adjusted)}" if found and found.change else ""


def multiplier_shown(cell: ArmCell) -> str:
    """`1.3 to 3.4 × pairs`; empty if there is none, or if it says nothing."""
    found = cell.multiplier.found if cell.multiplier and cell.verdict != "same run" else None
    return f"{multipliers.shown(found)} pairs" if found and multipliers.says_something(found) else ""
