"""The statistics of an ablation, from the results of the test split's queries: intervals, paired tests, multipliers.

A comparison rests on the replicates that the arm and the baseline share; patients are drawn once, for all arms and
sizes; Holm's correction counts every comparison of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from radsweep.config.metrics import Metric
from radsweep.evaluation.queries import Queries
from radsweep.evaluation.statistics import (
    Difference,
    Effect,
    Estimates,
    Interval,
    Multiplier,
    SignFlipTest,
    data_efficiency_multiplier,
    difference,
    factorial_effects,
    holm,
    level_interval,
    sign_flip_test,
)
from radsweep.evaluation.summary import Replicate
from radsweep.report import wording
from radsweep.report.analysis.estimation import Estimator, Size, balanced, estimator
from radsweep.store.records import ArmSize

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Runs:
    """Basis of the statistics, by arm and size (None: all pairs)."""

    cells: Mapping[ArmSize, Mapping[Replicate, str]]  # their keys
    queries: Queries
    recorded: Mapping[ArmSize, Mapping[Replicate, float]]  # the metric as each run recorded it
    pairs: Mapping[Size, int]  # studies that a size trained on
    factors: Mapping[str, Set[str]] = field(default_factory=dict)  # of a factorial design, by arm


@dataclass(frozen=True)
class Evidence:
    """Statistics by arm and size; `gaps` has the reason for what is missing, `gap` if everything is missing."""

    metric: str
    gap: str = ""
    gaps: Mapping[ArmSize, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # classes left out of a macro AUROC: too few patients to resample
    levels: Mapping[ArmSize, Interval] = field(default_factory=dict)
    differences: Mapping[ArmSize, Difference] = field(default_factory=dict)  # from the baseline, paired
    replicates: Mapping[ArmSize, frozenset[Replicate]] = field(default_factory=dict)  # that a difference rests on
    p_holm: Mapping[ArmSize, float] = field(default_factory=dict)
    sign_flips: Mapping[ArmSize, SignFlipTest] = field(
        default_factory=dict
    )  # of reciprocal ranks; these decide nothing
    multipliers: Mapping[ArmSize, Multiplier] = field(default_factory=dict)
    effects: Mapping[Size, tuple[Effect, ...]] = field(default_factory=dict)
    effects_p_holm: Mapping[tuple[Size, tuple[str, ...]], float] = field(default_factory=dict)

    @property
    def comparisons(self) -> int:
        return len(self.differences)

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
    differences = {place: difference(found.estimates(place[1], rs), place[0], baseline) for place, rs in shared.items()}
    effects = _effects(found, runs.factors)
    effect_p = {(size, e.factors): e.difference.p for size, es in effects.items() for e in es}
    return Evidence(
        metric,
        gaps=found.gaps,
        notes=tuple(found.notes),
        left_out=found.left_out,
        levels=levels,
        differences=differences,
        replicates=shared,
        p_holm=holm({place: d.p for place, d in differences.items()}),
        sign_flips=_sign_flips(found, baseline, shared),
        multipliers=_multipliers(found, baseline, shared, runs.pairs, Metric(metric).higher),
        effects=effects,
        effects_p_holm=holm(effect_p),
    )


def _shared(found: Estimator, baseline: str) -> dict[ArmSize, frozenset[Replicate]]:
    """The replicates of each arm that the baseline has too, as many of each subset of studies."""
    pairs = {
        (arm, size): frozenset(rs) & frozenset(found.replicates.get((baseline, size), ()))
        for (arm, size), rs in found.replicates.items()
        if arm != baseline
    }
    return {place: frozenset(balanced(rs)) for place, rs in pairs.items() if rs}


def _sign_flips(
    found: Estimator, baseline: str, shared: Mapping[ArmSize, frozenset[Replicate]]
) -> dict[ArmSize, SignFlipTest]:
    return {
        (arm, size): sign_flip_test(first, second, found.patient_ids)
        for (arm, size), rs in shared.items()
        if (first := found.reciprocal_ranks((arm, size), rs)) is not None
        and (second := found.reciprocal_ranks((baseline, size), rs)) is not None
    }


def _multipliers(
    found: Estimator,
    baseline: str,
    shared: Mapping[ArmSize, frozenset[Replicate]],
    pairs: Mapping[Size, int],
    higher: bool,
) -> dict[ArmSize, Multiplier]:
    """Multipliers, if the baseline has been measured at two sizes or more."""
    curve: dict[int, Estimates] = {
        pairs[size]: found.estimates(size, rs) for (arm, size), rs in found.replicates.items() if arm == baseline
    }
    if len(curve) < 2:
        return {}
    return {
        (arm, size): data_efficiency_multiplier(
            {**curve, pairs[size]: found.estimates(size, rs)}, arm, pairs[size], baseline, higher_is_better=higher
        )
        for (arm, size), rs in shared.items()
    }


def _effects(found: Estimator, factors: Mapping[str, Set[str]]) -> dict[Size, tuple[Effect, ...]]:
    """Over the replicates that all measured arms of a size have."""
    effects = {}
    for size in dict.fromkeys(size for _, size in found.replicates):
        sets = {arm: rs for (arm, at), rs in found.replicates.items() if at == size and arm in factors}
        common = frozenset.intersection(*map(frozenset, sets.values())) if sets else frozenset()
        if len(sets) < 2 or not common:
            continue
        try:
            effects[size] = factorial_effects(found.estimates(size, common), {arm: factors[arm] for arm in sets})
        except ValueError:  # a sweep under way may lack the arm that effects start from
            continue
    return effects
