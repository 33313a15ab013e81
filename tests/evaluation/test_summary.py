from __future__ import annotations

import numpy as np
import pytest

from radsweep.evaluation.summary import compare, spread


def test_spread_is_numpys_mean_and_sample_deviation() -> None:
    values = [0.12, 0.18, 0.15, 0.11]
    result = spread(values)
    assert (result.mean, result.deviation, result.n) == pytest.approx((np.mean(values), np.std(values, ddof=1), 4))
    assert spread([0.5]).deviation is None


def test_replicates_are_compared_one_with_its_own_and_not_by_their_order() -> None:
    arm = {(1, 0): 0.30, (0, 0): 0.20, (2, 0): 0.9}
    baseline = {(0, 0): 0.18, (1, 0): 0.29, (5, 0): 0.1}
    comparison = compare(arm, baseline)
    assert comparison is not None
    assert comparison.replicates == ((0, 0), (1, 0))
    assert comparison.differences == pytest.approx((0.02, 0.01))
    assert comparison.difference.mean == pytest.approx(0.015)
    assert comparison.baseline.mean == pytest.approx(0.235)
    assert not comparison.enough


def test_a_difference_that_changes_sign_goes_in_no_one_direction() -> None:
    baseline = {(r, 0): 0.1 for r in range(3)}
    mixed = compare({(0, 0): 0.2, (1, 0): 0.2, (2, 0): 0.09}, baseline)
    none = compare(baseline, baseline)
    lower = compare({(r, 0): 0.05 for r in range(3)}, baseline)
    assert mixed
    assert none
    assert lower
    assert (mixed.one_direction, none.one_direction, lower.one_direction) == (False, False, True)


def test_equal_arms_are_rarely_called_clearly_different() -> None:
    """The rule of the report on 3 replicates without any true difference: well below 1 in 10."""
    rng = np.random.default_rng(0)
    clear = 0
    for _ in range(2000):
        arm, baseline = rng.normal(size=(2, 3))
        comparison = compare({(r, 0): arm[r] for r in range(3)}, {(r, 0): baseline[r] for r in range(3)})
        assert comparison is not None
        clear += comparison.one_direction and comparison.beyond_spread and comparison.enough
    assert clear / 2000 < 0.06


def test_nothing_shared_is_not_a_comparison() -> None:
    assert compare({(0, 0): 1.0}, {(1, 0): 1.0}) is None
