from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols

from radsweep.evaluation.statistics import PatientResamples, estimate_means, factorial_effects
from radsweep.evaluation.statistics.estimates import Estimates


def run(arms: dict[str, set[str]], seed: int = 0) -> Estimates:
    rng = np.random.default_rng(seed)
    resamples = PatientResamples.draw(np.arange(30), count=100)
    return estimate_means({arm: rng.normal(size=(3, 30)) for arm in arms}, resamples)


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
