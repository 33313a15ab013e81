"""Results of each validation query along a run, summed in stretches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from radsweep.training.trail import Trail, trail_of

QUERIES = 300


def trail(wobble: float = 0.0, validations: int = 200, seed: int = 0) -> Trail:
    """Hits that are drawn again at each validation, each 20 steps, around a level that wobbles."""
    rng, found = np.random.default_rng(seed), Trail()
    for number in range(1, validations + 1):
        level = 0.4 + wobble * rng.standard_normal()
        found.add((rng.random(QUERIES) < level).astype(np.float64), 20.0 * number, constant=number > 4)
    return found


def test_the_start_is_kept_and_warm_up_is_not() -> None:
    found = Trail()
    found.add(np.zeros(3), 0.0, constant=False)
    found.add(np.ones(3), 0.0, constant=False)
    assert found.first_Q is not None
    assert found.first_Q.tolist() == [0, 0, 0]
    assert found.stretches == []


def test_stretches_hold_the_mean_of_each_query() -> None:
    found, rng = Trail(), np.random.default_rng(0)
    values = rng.random((4, 3))
    for time, value_Q in zip((64.0, 70.0, 75.0, 76.2), values, strict=True):  # a quarter of a doubling: 64 to 76.1
        found.add(value_Q, time, constant=True)
    of = found.found
    assert of.count_B.tolist() == [3, 1]
    assert of.time_B == pytest.approx([209 / 3, 76.2])
    np.testing.assert_allclose(of.value_QB[:, 0], values[:3].mean(0))


def test_only_the_recent_past_is_kept() -> None:
    found = trail(validations=2000).found
    assert len(found.time_B) <= 17 + 1
    assert found.time_B[0] >= found.time_B[-1] / 20


@pytest.mark.parametrize("wobble", [0.0, 0.02, 0.05])
def test_the_wobble_is_what_queries_do_not_explain(wobble: float) -> None:
    estimates = [trail(wobble, seed=seed).found.wobble for seed in range(10)]
    assert np.mean(estimates) ** 0.5 == pytest.approx(wobble, abs=0.012)


def test_the_wobble_of_few_validations_is_a_bound() -> None:
    bounds = [trail(0.03, validations=14, seed=seed).found.wobble for seed in range(100)]
    assert np.mean([bound >= 0.03**2 for bound in bounds]) > 0.7
    assert trail(validations=6).found.wobble == math.inf


def test_a_trail_survives_a_checkpoint() -> None:
    whole, part = trail(validations=120), trail(validations=60)
    resumed, rng = trail_of(part.tensors), np.random.default_rng(1)
    for number in range(61, 80):
        value_Q = rng.random(QUERIES)
        assert part.add(value_Q, 20.0 * number, True) == resumed.add(value_Q, 20.0 * number, True)
    for one, other in zip(part.found, resumed.found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert Trail().tensors == {}
    assert whole.tensors.keys() == part.tensors.keys()
