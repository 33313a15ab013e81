"""Words for the cells of the table of arms, shared by the page, Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from radsweep.evaluation.statistics import Outlook
from radsweep.report import wording
from radsweep.report.analysis.claims import CLEAR
from radsweep.report.tables.arm_cells import ArmCell


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


def notes(metric: str, cell: ArmCell, shared_why: str = "") -> Iterator[str]:
    """Yield what a verdict leaves out: failures, convergence, the reason why it is no more, and what would decide it.

    Args:
        shared_why: a reason that is given elsewhere for the whole table.
    """
    n, found = cell.replicates, cell.comparison
    if n.failed and not (found and found.why):
        yield f"{n.failed} failed"
    if n.untested:
        yield f"{n.untested} without a test number"
    if found and found.outlook:
        yield f"could have shown {wording.unsigned(metric, found.outlook.detectable)}"
        yield _deciding(found.outlook)
    if found and found.why and found.why != shared_why:
        yield found.why
    if n.doubts and not (found and found.verdict == "not converged"):
        yield n.doubts


def gain_shown(metric: str, cell: ArmCell) -> str:
    """`+12.4 points per GPU hour`; empty if it is not clear that there is a difference, or without times."""
    found = cell.comparison
    if found is None or found.gain is None or found.verdict not in CLEAR:
        return ""
    number = wording.signed(metric, found.gain.per_hour)
    whole = number.split(".")[0]
    if len(whole) > 3:  # two digits of a large number are enough
        number = f"{whole[0]}{wording.rounded(int(whole[1:]))}"
    return f"{number}{wording.points(metric)} per {found.gain.device} hour"


def probability_shown(share: float) -> str:
    """`71 %`; a share of draws is never certain."""
    return "< 1 %" if share < 0.01 else "> 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def _deciding(found: Outlook) -> str:
    seeds = f"about {found.seeds} replicates" if found.seeds else ""
    patients = f"about {wording.rounded(found.patients)} test patients" if found.patients else ""
    if seeds or patients:
        return f"{' or '.join(filter(None, (seeds, patients)))} would decide"
    return "takes more replicates and test patients to decide"
