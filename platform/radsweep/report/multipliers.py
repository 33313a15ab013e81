"""The data-efficiency multiplier in words, and whether it may be trusted."""

from __future__ import annotations

from radsweep.evaluation.statistics import Multiplier
from radsweep.report import wording
from radsweep.report.results import Group, Results
from radsweep.report.runs import unconverged


def shown(found: Multiplier) -> str:
    """`2.1 × [1.3, 3.4]`; `> 10` and `< 0.33` where it lies beyond the measured range."""
    ends = f"[{_end(found.low, found.low_beyond)}, {_end(found.high, found.high_beyond)}]"
    return f"{_end(found.estimate, found.beyond)} × {ends}"


def multiplier_sentence(results: Results, group: Group) -> str:
    """Empty where the baseline has too few sizes."""
    found = results.evidence.multipliers.get((group.arm, group.size))
    if found is None:
        return ""
    base = results.sweep.baseline
    times = f"{_word(found.estimate, found.beyond)} times the pairs"
    span = f"{found.measured[0]:,} to {found.measured[-1]:,} pairs"
    beyond = f", beyond the measured range of {span}" if found.beyond else ""
    ends = f"{_word(found.low, found.low_beyond)} to {_word(found.high, found.high_beyond)}"
    interval = f"{100 * found.level:.4g} % interval {ends}"
    if not found.beyond and (found.low_beyond or found.high_beyond):
        interval += f"; beyond the measured range of {span}"
    text = f"It does as well as {base} would with {times} ({interval}){beyond}"
    doubt = multiplier_doubt(results, group)
    return f"{text}; {doubt}." if doubt else f"{text}."


def trusted(results: Results, group: Group) -> bool:
    """Whether the baseline's curve and the arm itself had converged."""
    return not _late_sizes(results) and not unconverged(results, (group,), None)


def multiplier_doubt(results: Results, group: Group) -> str:
    """Why the multiplier is not to be trusted; empty where nothing speaks against it."""
    doubts = []
    if late := _late_sizes(results):
        doubts.append(
            f"this is an upper bound and not to be trusted, since {results.sweep.baseline} had not converged at "
            f"{wording.listed(late)} and longer training would lower the multiplier"
        )
    if unconverged(results, (group,), None):
        doubts.append(f"{group.arm} itself had not converged{'' if late else ', so it is not to be trusted'}")
    found = results.evidence.multipliers.get((group.arm, group.size))
    if found and found.seeds == 1:
        doubts.append("it is of one seed, and others may differ")
    return "; ".join(doubts)


def _late_sizes(results: Results) -> list[str]:
    curve = [g for size in results.sizes if (g := results.group(results.sweep.baseline, size))]
    return [wording.size_name(g.size) for g in curve if unconverged(results, (g,), None)]


def _end(value: float, beyond: str) -> str:
    return {"above": ">", "below": "<"}.get(beyond, "") + wording.times(value)


def _word(value: float, beyond: str) -> str:
    return {"above": "more than ", "below": "less than "}.get(beyond, "") + wording.times(value)
