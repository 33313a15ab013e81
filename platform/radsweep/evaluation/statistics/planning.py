"""Seeds or test patients that would decide an open comparison: half-widths projected from the parts of a variance."""

from __future__ import annotations

from dataclasses import dataclass, replace

from radsweep.evaluation.statistics.interval_width import Components
from radsweep.evaluation.statistics.intervals import Difference
from radsweep.evaluation.statistics.multiplicity import Correction
from radsweep.evaluation.statistics.seeds import VariancePart

POWER = 0.8
MOST_SEEDS, MOST_TIMES = 100, 100.0  # replicates, and times the test patients, that are still worth naming
_NORMAL = 0.8416  # the standard normal's quantile at POWER


@dataclass(frozen=True)
class Outlook:
    """Power of an undecided comparison, and what would decide it."""

    detectable: float  # the smallest true difference that it would have shown in 80 %
    seeds: int | None  # replicates in all that would decide it at today's estimate; None if they cannot
    patients: int | None  # test patients in all that would


def outlook(change: Difference, margin: float) -> Outlook:
    """Project an undecided comparison, if its estimate stays as it is.

    Args:
        margin: differences below it are too small to matter.
    """
    needed = needed_half_width(change.estimate, margin)
    return Outlook(
        detectable=detectable(change.parts, change.correction),
        seeds=_seeds(change, needed),
        patients=_patients(change, needed),
    )


def stops(change: Difference, margin: float) -> bool:
    """True if a comparison is decided, or if no number of seeds would decide it, since the patients leave it open."""
    if change.clear or change.within(margin):
        return True
    left = change.parts.patient_half_width(change.correction.alpha)
    moves = max(change.parts.half_width(change.correction.alpha) ** 2 - left**2, 0.0) ** 0.5  # of more seeds
    return left > max(abs(change.estimate) + moves, margin)


def needed_half_width(estimate: float, margin: float) -> float:
    """The half-width below which an interval excludes 0, or lies within the margin."""
    return max(abs(estimate), margin - abs(estimate))


def detectable(parts: Components, correction: Correction) -> float:
    """The smallest true difference that is shown in 80 %."""
    return parts.half_width(correction.alpha) + _NORMAL * parts.variance**0.5


def with_seeds(change: Difference, seeds: int, keep: bool = False) -> tuple[Components, Correction]:
    """The parts with another number of replicates, and the correction of a later look at them.

    Args:
        keep: the correction stays, for a new sweep.
    """
    ratio = (seeds - 1) / max(change.seeds - 1, 1)
    parts = tuple(
        VariancePart(part.variance * change.seeds / seeds, part.degrees * ratio) for part in change.parts.seeds
    )
    correction = change.correction
    if correction.planned_looks == 1 and not keep:  # else another sweep is not needed
        correction = replace(correction, look=correction.look + (seeds > change.seeds))
    left = change.parts.disagreement * change.seeds / seeds
    return replace(change.parts, seeds=parts, disagreement=left), correction


def _seeds(change: Difference, needed: float) -> int | None:
    if change.seeds < 2:
        return None
    for seeds in range(change.seeds + 1, MOST_SEEDS + 1):
        parts, correction = with_seeds(change, seeds)
        if parts.half_width(correction.alpha) < needed:
            return seeds
    return None


def _patients(change: Difference, needed: float) -> int | None:
    times = 1.25
    while times <= MOST_TIMES:
        if _with_patients(change.parts, times).half_width(change.correction.alpha) < needed:
            return round(change.patients * times)
        times *= 1.25
    return None


def _with_patients(parts: Components, times: float) -> Components:
    """The parts with more patients: the disagreement of replicates about patients falls too."""
    patients = VariancePart(parts.patients.variance / times, parts.patients.degrees * times)
    whole = parts.seed_variance
    kept = 1.0 if not whole else 1 - min(parts.disagreement / whole, 1.0) * (1 - 1 / times)
    seeds = tuple(VariancePart(part.variance * kept, part.degrees) for part in parts.seeds)
    return replace(parts, patients=patients, seeds=seeds, disagreement=parts.disagreement / times)
