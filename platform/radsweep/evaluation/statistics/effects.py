"""Main effects and two-factor interactions of a design whose arms switch factors on and off."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Literal

from radsweep.evaluation.statistics.estimates import Estimates
from radsweep.evaluation.statistics.intervals import LEVEL, Difference, contrast

Others = Literal["averaged", "off", "on"]
Factors = frozenset[str]


@dataclass(frozen=True)
class Effect:
    """One factor: on minus off. Two: how much more the one adds where the other is on (difference of differences)."""

    factors: tuple[str, ...]
    others: Others  # what the other factors were: every combination averaged, all off, or all on
    difference: Difference


def factorial_effects(
    estimates: Estimates, factors_of: Mapping[str, Set[str]], *, level: float = LEVEL
) -> tuple[Effect, ...]:
    """What the design can tell, main effects first.

    All combinations of the factors: effects averaged over the other factors (Montgomery, Design and Analysis of
    Experiments, chapter 6; his interaction is half of ours). Otherwise from the arm without any factor: each factor
    alone, and pairs where their arm was run. Otherwise from the arm with all: what leaving one out costs.

    Args:
        factors_of: the factors that are on, by arm.

    Raises:
        ValueError: two arms with the same factors, or a design that is none of the three.
    """
    arm_of: dict[Factors, str] = {}
    for arm, on in factors_of.items():
        if (other := arm_of.setdefault(frozenset(on), arm)) != arm:
            raise ValueError(f"arms {other} and {arm} have the same factors on")
    every = sorted(frozenset().union(*arm_of))
    terms = [*((name,) for name in every), *itertools.combinations(every, 2)]
    others: Others = "off"
    if len(arm_of) == 2 ** len(every):
        others = "averaged"
        weights = {term: _averaged(term, arm_of) for term in terms}
    elif frozenset() in arm_of:
        weights = {term: _from(frozenset(), term, arm_of) for term in terms}
    elif frozenset(every) in arm_of:
        others = "on"
        weights = {term: _from(frozenset(every), term, arm_of) for term in terms}
    else:
        raise ValueError("no arm with all factors off and none with all on: effects have nothing to start from")
    found = {term: weight_of for term, weight_of in weights.items() if weight_of}
    return tuple(Effect(term, others, contrast(estimates, w, level=level)) for term, w in found.items())


def _averaged(term: tuple[str, ...], arm_of: Mapping[Factors, str]) -> dict[str, float]:
    share = 2 ** len(term) / len(arm_of)
    return {arm: share * (-1) ** len(set(term) - on) for on, arm in arm_of.items()}


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
