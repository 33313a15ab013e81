"""The data-efficiency multiplier in words, and whether it may be trusted."""

from __future__ import annotations

from radsweep.config.training import joint_convergence
from radsweep.evaluation.statistics import Multiplier
from radsweep.report import wording
from radsweep.report.analysis.convergence import DOUBTS, answer, unconverged
from radsweep.report.analysis.results import Group, Results
from radsweep.report.analysis.tuned import not_about_the_technique
from radsweep.store.arm_progress import ArmProgress


def says_something(found: Multiplier) -> bool:
    """Return True if a measured size bounds it beyond what the comparison at the arm's own size says."""
    return (found.low or 0.0) > 1 or found.high is not None


def shown(found: Multiplier) -> str:
    """`1 to 3.3 ×`, `≥ 3 ×`, `≤ 0.33 ×`."""
    if not says_something(found):
        return "–"
    if found.low and found.high:
        return f"{wording.times(found.low)} to {wording.times(found.high)} ×"
    return f"≥ {wording.times(found.low)} ×" if found.low else f"≤ {wording.times(found.high or 0.0)} ×"


def multiplier_sentence(results: Results, group: Group) -> str:
    """Sentence on the multiplier; empty if the baseline has too few sizes, or none that bounds it."""
    found = results.evidence.multipliers.get((group.arm, group.size))
    if found is None or not says_something(found):
        return ""
    base = results.sweep.baseline
    ends = [f"at least {wording.times(found.low)}"] if found.low else []
    ends += [f"at most {wording.times(found.high)}"] if found.high else []
    about = f" (about {wording.times(found.estimate)})" if found.estimate else ""
    text = f"{wording.sentence_start(base)} would need {wording.listed(ends)} times the pairs{about} for the same"
    doubt = multiplier_doubt(results, group)
    return f"{text}: {doubt}." if doubt else f"{text}."


def trusted(results: Results, group: Group) -> bool:
    """Return True if sizes had converged, few of their replicates failed, and no luck in tuning is left out."""
    tuned = not not_about_the_technique(results, group, *_curve(results))
    late = _late(results) or unconverged(results, (group,), None)
    return tuned and not late and not _failed(results, group)


def multiplier_doubt(results: Results, group: Group) -> str:
    """Reasons not to trust the multiplier; empty if there are none."""
    doubts = []
    if late := _late(results):
        at = wording.listed([wording.size_name(g.size) for g in late])
        found_late = joint_convergence(answer(r) for g in late for r in g.measured(results.metric))
        doubts.append(f"{results.sweep.baseline} {DOUBTS[found_late]} at {at}")
    if doubt := DOUBTS.get(joint_convergence(map(answer, group.measured(results.metric)))):
        doubts.append(f"{group.arm} itself {doubt}")
    doubts += [
        f"{p.failed} of {wording.count(p.planned, 'replicate')} of {p.arm} at {wording.size_name(p.pairs)} failed"
        for p in _failed(results, group)
    ]
    found = results.evidence.multipliers.get((group.arm, group.size))
    if found and found.seeds == 1:
        doubts.append("one seed was run, others may differ")
    if why := not_about_the_technique(results, group, *_curve(results)):
        doubts.append(why.partition(";")[0])
    return f"not to be trusted, since {wording.listed(doubts)}" if doubts else ""


def _failed(results: Results, group: Group) -> list[ArmProgress]:
    """The arm and the sizes of the baseline of which too many replicates failed."""
    curve = [progress for (arm, _), progress in results.progress.items() if arm == results.sweep.baseline]
    return [each for each in (*curve, results.progress[group.arm, group.size]) if each.failed_too_often]


def _late(results: Results) -> list[Group]:
    """Sizes of the baseline that are not known to have converged."""
    return [g for g in _curve(results) if unconverged(results, (g,), None)]


def _curve(results: Results) -> list[Group]:
    """The baseline at all sizes."""
    return [g for size in results.sizes if (g := results.group(results.sweep.baseline, size))]
