"""Main effects and two-factor interactions of a design whose arms switch factors on and off."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Literal

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.fractions import Confounded, Factors, chains, is_fraction, weights
from radsweep.evaluation.statistics.intervals import Difference, contrast_of_means
from radsweep.evaluation.statistics.multiplicity import ONE, Correction

Others = Literal["averaged", "off", "on"]


@dataclass(frozen=True)
class Effect:
    """One factor: on minus off. Two: how much more the one adds where the other is on (difference of differences)."""

    factors: tuple[str, ...]
    others: Others  # what the other factors were: every combination averaged, all off, or all on
    difference: Difference
    confounded: Confounded = field(default_factory=Confounded)  # of a fraction: what the number holds as well


def factorial_effects(
    estimates: Estimates, factors_of: Mapping[str, Set[str]], correction: Correction = ONE
) -> tuple[Effect, ...]:
    """Effects that the design can estimate, main effects first.

    All combinations of the factors: effects averaged over the other factors (Montgomery, Design and Analysis of
    Experiments, chapter 6; his interaction is half of ours). A regular fraction of them: the same contrasts, each once,
    with what they are confounded with (his chapter 8). Otherwise from the arm without any factor: each factor
    by itself, and pairs where their arm was run. Otherwise from the arm with all: what leaving one out costs.

    Args:
        factors_of: the factors that are on, by arm.

    Raises:
        ValueError: two arms with the same factors, or a design that is none of the four.
    """
    arm_of: dict[Factors, str] = {}
    for arm, on in factors_of.items():
        if (other := arm_of.setdefault(frozenset(on), arm)) != arm:
            raise ValueError(f"arms {other} and {arm} have the same factors on")
    every = sorted(frozenset().union(*arm_of))
    terms = [*((name,) for name in every), *itertools.combinations(every, 2)]
    others: Others = "off"
    confounded: dict[tuple[str, ...], Confounded] = {}
    if len(arm_of) == 2 ** len(every):
        others = "averaged"
        weight_of = {term: weights(term, arm_of) for term in terms}
    elif is_fraction(arm_of.keys(), every):
        others = "averaged"
        confounded = chains(arm_of.keys(), every)
        weight_of = {term: weights(term, arm_of) for term in confounded}
    elif frozenset() in arm_of:
        weight_of = {term: _from(frozenset(), term, arm_of) for term in terms}
    elif frozenset(every) in arm_of:
        others = "on"
        weight_of = {term: _from(frozenset(every), term, arm_of) for term in terms}
    else:
        raise ValueError("no arm with all factors off and none with all on: effects have nothing to start from")
    return tuple(
        Effect(term, others, contrast_of_means(estimates, of, correction), confounded.get(term, Confounded()))
        for term, of in weight_of.items()
        if of
    )


def _from(start: Factors, term: tuple[str, ...], arm_of: Mapping[Factors, str]) -> dict[str, float]:
    """The term's factors switched from an arm, the others as they are there; empty where an arm of it was not run."""
    weight_of: dict[str, float] = {}
    for on in itertools.product((False, True), repeat=len(term)):
        switched = frozenset(itertools.compress(term, on))
        arm = arm_of.get((start - set(term)) | switched)
        if arm is None:
            return {}
        weight_of[arm] = float((-1) ** (len(term) - len(switched)))
    return weight_of
