"""The statistics of an ablation, from the results of the test split's queries: intervals, multipliers, effects.

A comparison rests on the replicates that the arm and the baseline share. The intervals of all comparisons of the table,
and of all looks at it, hold together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from radsweep.config.metrics import Metric
from radsweep.evaluation.queries import Queries
from radsweep.evaluation.statistics import (
    Correction,
    Difference,
    Effect,
    Estimates,
    Interval,
    Multiplier,
    best_probabilities,
    data_efficiency_multiplier,
    difference,
    factorial_effects,
    level_interval,
)
from radsweep.evaluation.summary import Replicate
from radsweep.report import wording
from radsweep.report.analysis.estimation import Estimator, Size, balanced, estimator
from radsweep.store.records import ArmSize


def _alone(place: ArmSize) -> Correction:
    return Correction()


@dataclass(frozen=True)
class Runs:
    """Basis of the statistics, by arm and size (None: all pairs)."""

    cells: Mapping[ArmSize, Mapping[Replicate, str]]  # their keys
    queries: Queries
    recorded: Mapping[ArmSize, Mapping[Replicate, float]]  # the metric as each run recorded it
    pairs: Mapping[Size, int]  # studies that a size trained on
    factors: Mapping[str, Set[str]] = field(default_factory=dict)  # of a factorial design, by arm
    correction: Callable[[ArmSize], Correction] = _alone  # how many comparisons and looks a comparison is one of


@dataclass(frozen=True)
class Evidence:
    """Statistics by arm and size; `gaps` has the reason for what is missing, `gap` if everything is missing."""

    metric: str
    gap: str = ""
    gaps: Mapping[ArmSize, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # classes left out of a macro AUROC: too few patients
    levels: Mapping[ArmSize, Interval] = field(default_factory=dict)
    differences: Mapping[ArmSize, Difference] = field(default_factory=dict)  # from the baseline, paired
    replicates: Mapping[ArmSize, frozenset[Replicate]] = field(default_factory=dict)  # that a difference rests on
    multipliers: Mapping[ArmSize, Multiplier] = field(default_factory=dict)
    no_multipliers: str = ""  # why there are none, if the baseline was measured at several sizes
    effects: Mapping[Size, tuple[Effect, ...]] = field(default_factory=dict)
    best: Mapping[ArmSize, float] = field(default_factory=dict)  # probability of being the best arm of its size

    def why_not(self, place: ArmSize, against: ArmSize) -> str:
        """Reason why a comparison has no interval."""
        return self.gap or self.gaps.get(place) or self.gaps.get(against) or "the two share no replicate"


def evidence(metric: str, baseline: str, runs: Runs) -> Evidence:
    """Compute the statistics of `test/text_to_image/recall_at_10`, `test/zero_shot/auroc` and the like."""
    found = estimator(metric, runs.cells, runs.queries, runs.recorded)
    if isinstance(found, str):
        return Evidence(metric, gap=found)
    bounded = not wording.is_rank(metric)
    levels = {
        place: level_interval(found.estimates(place[1], rs), place[0], bounded=bounded)
        for place, rs in found.replicates.items()
    }
    shared = _shared(found, baseline)
    differences = {
        place: difference(found.estimates(place[1], rs), place[0], baseline, runs.correction(place))
        for place, rs in shared.items()
    }
    multipliers, why = _multipliers(found, baseline, shared, runs, Metric(metric).higher)
    return Evidence(
        metric,
        gaps=found.gaps,
        notes=tuple(found.notes),
        left_out=found.left_out,
        levels=levels,
        differences=differences,
        replicates=shared,
        multipliers=multipliers,
        no_multipliers=why,
        effects=_effects(found, runs.factors),
        best=_best(found, Metric(metric).higher) if baseline else {},
    )


def _shared(found: Estimator, baseline: str) -> dict[ArmSize, frozenset[Replicate]]:
    """The replicates of each arm that the baseline has too, as many of each subset of studies."""
    pairs = {
        (arm, size): frozenset(rs) & frozenset(found.replicates.get((baseline, size), ()))
        for (arm, size), rs in found.replicates.items()
        if arm != baseline
    }
    return {place: frozenset(balanced(rs)) for place, rs in pairs.items() if rs}


def _multipliers(
    found: Estimator, baseline: str, shared: Mapping[ArmSize, frozenset[Replicate]], runs: Runs, higher: bool
) -> tuple[dict[ArmSize, Multiplier], str]:
    """Multipliers, if the baseline has been measured at two sizes or more; else, or if it falls, why there are none."""
    curve: dict[int, Estimates] = {
        runs.pairs[size]: found.estimates(size, rs) for (arm, size), rs in found.replicates.items() if arm == baseline
    }
    if len(curve) < 2:
        return {}, ""
    multipliers = {
        (arm, size): data_efficiency_multiplier(
            {**curve, runs.pairs[size]: found.estimates(size, rs)},
            arm,
            runs.pairs[size],
            baseline,
            higher_is_better=higher,
            correction=runs.correction((arm, size)),
        )
        for (arm, size), rs in shared.items()
    }
    known = {place: multiplier for place, multiplier in multipliers.items() if multiplier is not None}
    falls = multipliers and not known
    return known, f"the mean of {baseline} does not rise from each number of pairs to the next" if falls else ""


def _best(found: Estimator, higher: bool) -> dict[ArmSize, float]:
    """Over the replicates that all measured arms of a size have."""
    probabilities: dict[ArmSize, float] = {}
    for size in dict.fromkeys(size for _, size in found.replicates):
        sets = [frozenset(rs) for (_, at), rs in found.replicates.items() if at == size]
        if common := frozenset.intersection(*sets):
            of_size = best_probabilities(found.estimates(size, common), higher_is_better=higher)
            probabilities |= {(arm, size): share for arm, share in of_size.items()}
    return probabilities


def _effects(found: Estimator, factors: Mapping[str, Set[str]]) -> dict[Size, tuple[Effect, ...]]:
    """Over the replicates that all measured arms of a size have; the intervals of all sizes hold together."""
    designs: dict[Size, tuple[Estimates, dict[str, Set[str]]]] = {}
    for size in dict.fromkeys(size for _, size in found.replicates):
        sets = {arm: rs for (arm, at), rs in found.replicates.items() if at == size and arm in factors}
        common = frozenset.intersection(*map(frozenset, sets.values())) if sets else frozenset()
        if len(sets) >= 2 and common:
            designs[size] = found.estimates(size, common), {arm: factors[arm] for arm in sets}

    def effects(correction: Correction) -> dict[Size, tuple[Effect, ...]]:
        results = {}
        for size, (estimates, on) in designs.items():
            try:
                results[size] = factorial_effects(estimates, on, correction)
            except ValueError:  # a sweep under way may lack the arm that effects start from
                continue
        return results

    number = sum(map(len, effects(Correction()).values()))
    return effects(Correction(comparisons=number)) if number else {}
