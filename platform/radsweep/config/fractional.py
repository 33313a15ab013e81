"""Two-level fractional factorial designs: which on/off combinations to run when all of them are too many."""

from __future__ import annotations

RESOLUTIONS = (3, 4, 5)
Runs = tuple[tuple[bool, ...], ...]


def fraction(factors: int, resolution: int) -> Runs:
    """On/off flags of each run, the smallest regular design of this resolution or better; the first has all off.

    At resolution 3 a main effect is confounded with interactions of two, at 4 with those of three, and pairs with
    pairs; at 5 main effects and interactions of two are clear of each other.

    Source: Box, Hunter and Hunter 2005, Statistics for Experimenters, chapter 6; generators from pyDOE.

    Raises:
        ValueError: no such design exists; the message is for users.
    """
    if factors < 3:
        raise ValueError(
            f"arms: fractional needs 3 of them or more that change something, found {factors}; use design factorial"
        )
    from pydoe.factorial.factorial import fracfact_by_res  # lazy import: SciPy takes seconds to load

    design_RF = fracfact_by_res(factors, resolution)
    if len(design_RF) == 2**factors:
        raise ValueError(
            f"resolution: {resolution} of {factors} factors takes all {2**factors} combinations; "
            f"{_lower(factors, resolution)}use design factorial"
        )
    # A column times -1 is the same design with a level renamed: so that the baseline is always among the runs.
    flags_RF = design_RF * -design_RF[0] > 0
    return tuple(tuple(bool(on) for on in flags_F) for flags_F in flags_RF)


def fraction_of(factors: int, runs: int) -> Runs:
    """The design with this many runs, of the best resolution that they allow.

    Raises:
        ValueError: for people; names the numbers of runs that there are.
    """
    known: dict[int, Runs] = {}
    for resolution in RESOLUTIONS:
        try:
            design = fraction(factors, resolution)
        except ValueError:
            if factors < 3:
                raise
            continue
        known[len(design)] = design  # of two resolutions with as many runs the better
    if runs not in known:
        numbers = " or ".join(map(str, sorted(known)))
        raise ValueError(
            f"runs: no fraction of {factors} factors is best with {runs} runs; give {numbers}"
            f"{'' if runs != 2**factors else ', or use design factorial'}"
        )
    return known[runs]


def _lower(factors: int, resolution: int) -> str:
    for other in sorted((r for r in RESOLUTIONS if r < resolution), reverse=True):
        try:
            fraction(factors, other)
        except ValueError:
            continue
        return f"set resolution {other}, or "
    return ""
