from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols

from radsweep.config.ablation import Ablation
from radsweep.evaluation.statistics import (
    Correction,
    Patients,
    contrast_of_means,
    difference,
    estimate_means,
    factorial_effects,
)
from radsweep.evaluation.statistics.estimates import Estimates


def run(arms: dict[str, set[str]], seed: int = 0) -> Estimates:
    rng = np.random.default_rng(seed)
    return estimate_means({arm: rng.normal(size=(3, 30)) for arm in arms}, Patients.of(np.arange(30)), span=10)


def test_the_effects_of_all_combinations_are_the_coefficients_of_least_squares() -> None:
    combinations = [set(itertools.compress("abc", flags)) for flags in itertools.product((False, True), repeat=3)]
    arms = {" + ".join(sorted(on)) or "baseline": on for on in combinations}
    estimates = run(arms)
    effects = factorial_effects(estimates, arms)
    table = pd.DataFrame(
        {factor: (factor in on) - 0.5 for factor in "abc"} | {"y": value}
        for on, row in zip(arms.values(), estimates.value_AR, strict=True)
        for value in row
    )
    fitted = ols("y ~ (a + b + c) ** 2", table).fit().params
    assert [":".join(e.factors) for e in effects] == ["a", "b", "c", "a:b", "a:c", "b:c"]
    for effect in effects:
        assert effect.difference.estimate == pytest.approx(fitted[":".join(effect.factors)])
        assert effect.others == "averaged"
        assert effect.difference.low < effect.difference.estimate < effect.difference.high


def test_effects_of_all_combinations_have_the_intervals_of_their_contrasts_and_hold_together() -> None:
    arms: dict[str, set[str]] = {"none": set(), "a": {"a"}, "b": {"b"}, "a + b": {"a", "b"}}
    estimates, correction = run(arms), Correction(comparisons=3)
    effects = {e.factors: e.difference for e in factorial_effects(estimates, arms, correction)}
    halves = {"none": -0.5, "a": 0.5, "b": -0.5, "a + b": 0.5}
    both = {"none": 1.0, "a": -1.0, "b": -1.0, "a + b": 1.0}
    assert effects["a",] == contrast_of_means(estimates, halves, correction)
    assert effects["a", "b"] == contrast_of_means(estimates, both, correction)
    # 4 arms carry an effect averaged over the others: the variance of an interaction is four times as large
    assert effects["a", "b"].seed_variance == pytest.approx(4 * effects["a",].seed_variance)
    plain = difference(estimates, "a", "none", correction)
    assert effects["a",].seed_variance == pytest.approx(plain.seed_variance / 2)


def exact(arms: dict[str, set[str]], value_of: dict[tuple[str, ...], float]) -> Estimates:
    """A response without noise: each arm's value is the sum of the coefficients of its on/off (1, -1) products."""

    def response(on: set[str]) -> float:
        return sum(c * np.prod([1 if name in on else -1 for name in term]) for term, c in value_of.items())

    values = {arm: np.full((2, 30), response(on)) for arm, on in arms.items()}
    return estimate_means(values, Patients.of(np.arange(30)), span=100)


def fractional(names: str, **settings: int) -> dict[str, set[str]]:
    changes = {name: {f"augment.text.{name}": 1} for name in names}
    kept = Ablation(arms=changes, design="fractional", **settings).designed_arms()
    return {arm: {name for name in names if f"augment.text.{name}" in on} for arm, on in kept.items()}


@pytest.mark.parametrize(
    ("names", "resolution", "runs"),
    [("abc", 3, 4), ("abcd", 4, 8), ("abcde", 3, 8), ("abcde", 5, 16), ("abcdef", 4, 16)],
)
def test_effects_of_a_fraction_are_least_squares_and_name_what_they_are_confounded_with(
    names: str, resolution: int, runs: int
) -> None:
    arms = fractional(names, resolution=resolution)
    assert len(arms) == runs
    rng = np.random.default_rng(0)
    terms = [*((n,) for n in names), *itertools.combinations(names, 2)]
    truth = {term: float(rng.normal()) for term in terms}
    found = factorial_effects(exact(arms, truth), arms)

    # What stands in the row of a chain alone, fitted by least squares
    sign = np.array([[1 if n in on else -1 for n in names] for on in arms.values()], dtype=float)
    column = {term: sign[:, [names.index(n) for n in term]].prod(1) for term in terms}
    response = sum(truth[term] * column[term] for term in terms)
    model = np.column_stack([np.ones(runs), *(column[e.factors] for e in found)])
    fitted = np.linalg.lstsq(model, response, rcond=None)[0][1:]
    assert [e.difference.estimate for e in found] == pytest.approx(
        [2 ** len(e.factors) * c for e, c in zip(found, fitted, strict=True)]
    )

    named = [*(e.factors for e in found), *(term for e in found for _, term in e.confounded.pairs)]
    assert sorted(named) == sorted(terms), "every term is estimated or named as confounded, once"
    for e in found:
        whole = truth[e.factors] + sum(s * truth[term] for s, term in e.confounded.pairs)
        assert e.difference.estimate == pytest.approx(2 ** len(e.factors) * whole)
        if resolution >= 4 and len(e.factors) == 1:
            assert not e.confounded.pairs
        if resolution == 5:
            assert not e.confounded.pairs


def test_a_fraction_half_run_estimates_no_factor_that_goes_with_another() -> None:
    arms = fractional("abcd", resolution=4)
    some = dict(list(arms.items())[:4])
    assert all(len(e.factors) == 1 or e.others != "averaged" for e in factorial_effects(run(some), some))


def test_one_factor_added_at_a_time_is_compared_with_the_baseline() -> None:
    arms: dict[str, set[str]] = {"baseline": set(), "local": {"a"}, "mlm": {"b"}, "ssl": {"c"}, "both": {"a", "b"}}
    estimates = run(arms)
    found = {e.factors: e for e in factorial_effects(estimates, arms)}
    base, local, mlm, ssl, both = estimates.value_AR.mean(1)
    assert found.keys() == {("a",), ("b",), ("c",), ("a", "b")}
    assert found["a",].difference.estimate == pytest.approx(local - base)
    assert found["c",].difference.estimate == pytest.approx(ssl - base)
    assert found["a", "b"].difference.estimate == pytest.approx(both - local - mlm + base)
    assert {e.others for e in found.values()} == {"off"}


def test_one_factor_left_out_at_a_time_is_compared_with_all_of_them() -> None:
    arms = {"full": {"a", "b", "c"}, "without a": {"b", "c"}, "without b": {"a", "c"}, "without c": {"a", "b"}}
    estimates = run(arms)
    effects = factorial_effects(estimates, arms)
    assert [e.factors for e in effects] == [("a",), ("b",), ("c",)]
    assert effects[1].difference.estimate == pytest.approx(estimates.value_AR[0].mean() - estimates.value_AR[2].mean())
    assert effects[0].others == "on"


def test_a_design_without_a_start_or_with_an_arm_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to start from"):
        factorial_effects(run({"x": {"a"}, "y": {"b"}}), {"x": {"a"}, "y": {"b"}})
    with pytest.raises(ValueError, match="arms x and y have the same factors on"):
        factorial_effects(run({"x": {"a"}, "y": {"a"}}), {"x": {"a"}, "y": {"a"}})
