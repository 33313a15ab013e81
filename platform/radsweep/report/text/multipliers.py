"""The data-efficiency multiplier in words, and whether it may be trusted."""

from __future__ import annotations

from radsweep.config.training import joint_convergence
from radsweep.evaluation.statistics import Multiplier
from radsweep.report import wording
from radsweep.report.analysis.convergence import DOUBTS, answer, unconverged
from radsweep.report.analysis.results import Group, Results


def shown(found: Multiplier) -> str:
    """`2.1 × [1.3, 3.4]`; `> 10` and `< 0.33` if it is beyond the measured range."""
    if not says_something(found):
        return "beyond the range"
    ends = f"[{_end(found.low, found.low_beyond)}, {_end(found.high, found.high_beyond)}]"
    return f"{_end(found.estimate, found.beyond)} × {ends}"


def says_something(found: Multiplier) -> bool:
    """Return False if an arm passes the baseline at the largest size: more than 1 times the pairs is not news."""
    return found.beyond != "above" or found.pairs < found.measured[-1]


def beyond(found: Multiplier) -> bool:
    """Return True if it, or an end of its interval, is beyond the measured range."""
    return bool(found.beyond or found.low_beyond or found.high_beyond)


def multiplier_sentence(results: Results, group: Group) -> str:
    """Sentence on the multiplier; empty if the baseline has too few sizes, or none as large as it would need."""
    found = results.evidence.multipliers.get((group.arm, group.size))
    if found is None or not says_something(found):
        return ""
    times = f"{_word(found.estimate, found.beyond)} times the pairs"
    ends = f"{_word(found.low, found.low_beyond)} to {_word(found.high, found.high_beyond)}"
    text = f"It does as well as {results.sweep.baseline} would with {times} ({100 * found.level:.4g} % interval {ends}"
    if beyond(found):
        text += f"; beyond the measured range of {found.measured[0]:,} to {found.measured[-1]:,} pairs"
    doubt = multiplier_doubt(results, group)
    return f"{text}): {doubt}." if doubt else f"{text})."


def trusted(results: Results, group: Group) -> bool:
    """Return True if the arm and the part of the baseline's curve behind the multiplier had converged."""
    return not _late_groups(results, group) and not unconverged(results, (group,), None)


def multiplier_doubt(results: Results, group: Group) -> str:
    """Reasons not to trust the multiplier; empty if there are none."""
    doubts = []
    if late := _late_groups(results, group):
        at = wording.listed([wording.size_name(g.size) for g in late])
        found_late = joint_convergence(answer(r) for g in late for r in g.measured(results.metric))
        doubts.append(
            f"an upper bound, not to be trusted, since {results.sweep.baseline} {DOUBTS[found_late]} at {at} and "
            f"{'would' if found_late == 'still rising' else 'might'} do better with longer training"
        )
    if doubt := DOUBTS.get(joint_convergence(map(answer, group.measured(results.metric)))):
        doubts.append(f"{'' if late else 'not to be trusted, since '}{group.arm} itself {doubt}")
    found = results.evidence.multipliers.get((group.arm, group.size))
    if found and found.seeds == 1:
        doubts.append("from one seed, others may differ")
    return "; ".join(doubts)


def _late_groups(results: Results, group: Group) -> list[Group]:
    """Sizes of the baseline that are not known to have converged, among those around the interval on its curve."""
    found = results.evidence.multipliers.get((group.arm, group.size))
    if found is None:
        return []
    ends = found.low * found.pairs, found.high * found.pairs
    first = max((n for n in found.measured if n <= ends[0] * (1 + 1e-9)), default=found.measured[0])
    last = min((n for n in found.measured if n >= ends[1] * (1 - 1e-9)), default=found.measured[-1])
    curve = [g for size in results.sizes if (g := results.group(results.sweep.baseline, size))]
    return [g for g in curve if first <= g.trained <= last and unconverged(results, (g,), None)]


def _end(value: float, beyond: str) -> str:
    return {"above": ">", "below": "<"}.get(beyond, "") + wording.times(value)


def _word(value: float, beyond: str) -> str:
    return {"above": "more than ", "below": "less than "}.get(beyond, "") + wording.times(value)
