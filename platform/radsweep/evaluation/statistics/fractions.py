"""Regular fractions of a two-level factorial: what a contrast of their runs estimates, and together with what else."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

Term = tuple[str, ...]  # factors of a main effect or an interaction
Factors = frozenset[str]


@dataclass(frozen=True)
class Confounded:
    """Interactions of two factors that a contrast also holds, each with its sign, and the order of the next ones.

    In a main effect an interaction of two (a difference of differences) counts by half.
    """

    pairs: tuple[tuple[int, Term], ...] = ()  # 1 or -1, and the two factors
    beyond: int | None = None  # fewest factors of an interaction of three or four that is in it too


def is_fraction(runs: Collection[Factors], factors: Sequence[str]) -> bool:
    """True for a part of all combinations that separates every factor's main effect from every other's.

    Such runs are closed under `a xor b xor c` (Box and Hunter 1961, The 2^(k-p) Fractional Factorial Designs,
    Technometrics 3:311), each factor is on in half of them, and no two factors go together or against each other.
    """
    number = len(runs)
    if number < 4 or number & (number - 1) or number == 2 ** len(factors):
        return False
    known = set(runs)
    first = next(iter(known))
    if any(first ^ a ^ b not in known for a, b in itertools.combinations(known, 2)):
        return False
    signs = [_sign((factor,), runs) for factor in factors]
    return all(_sum(sign) == 0 for sign in signs) and all(
        abs(_sum(a * b for a, b in zip(one, other, strict=True))) < number
        for one, other in itertools.combinations(signs, 2)
    )


def chains(runs: Collection[Factors], factors: Sequence[str]) -> dict[Term, Confounded]:
    """{main effect, or the first of the interactions of two that go together: what is confounded with it}.

    An interaction of two that goes with a main effect is listed there and not by itself; one that is the same in every
    run cannot be estimated and is left out.
    """
    number = len(runs)
    mains: list[Term] = [(name,) for name in factors]
    pairs: list[Term] = list(itertools.combinations(factors, 2))
    found: dict[Term, list[tuple[int, Term]]] = {}
    by_sign: dict[tuple[int, ...], Term] = {}
    for term in (*mains, *pairs):
        sign = _sign(term, runs)
        if abs(_sum(sign)) == number:
            continue
        opposite = tuple(-s for s in sign)
        if sign in by_sign:
            found[by_sign[sign]].append((1, term))
        elif opposite in by_sign:
            found[by_sign[opposite]].append((-1, term))
        else:
            by_sign[sign], found[term] = term, []
    beyond = _beyond(runs, factors, by_sign)
    return {term: Confounded(tuple(also), beyond.get(term)) for term, also in found.items()}


def weights(term: Term, arm_of: Mapping[Factors, str]) -> dict[str, float]:
    """Weight of each arm in an effect: on minus off, or the difference of differences, over the other factors."""
    share = 2 ** len(term) / len(arm_of)
    return {arm: share * sign for arm, sign in zip(arm_of.values(), _sign(term, arm_of), strict=True)}


def _beyond(
    runs: Collection[Factors], factors: Sequence[str], by_sign: Mapping[tuple[int, ...], Term]
) -> dict[Term, int]:
    """The fewest factors, three or four, of an interaction that is the same contrast."""
    found: dict[Term, int] = {}
    for order in (3, 4):
        for term in itertools.combinations(factors, order):
            sign = _sign(term, runs)
            key = by_sign.get(sign) or by_sign.get(tuple(-s for s in sign))
            if key:
                found.setdefault(key, order)
        if len(found) == len(by_sign):
            break
    return found


def _sign(term: Term, runs: Iterable[Factors]) -> tuple[int, ...]:
    return tuple((-1) ** len(set(term) - on) for on in runs)


def _sum(signs: Iterable[int]) -> int:
    return sum(signs)
