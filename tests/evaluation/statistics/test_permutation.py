"""The permutation test and the adjustment of several p."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from radsweep.evaluation.statistics import holm, sign_flip_test


def test_few_patients_are_flipped_in_every_way_as_scipy_does() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((3, 11)), rng.random((3, 11))
    found = sign_flip_test(first, second, np.arange(11))
    difference = (first - second).mean(0)
    expected = stats.permutation_test(
        (difference,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert (found.exact, found.flips) == (True, 2**11)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.estimate == pytest.approx(difference.mean())


def test_all_queries_of_a_patient_flip_together() -> None:
    first = np.array([[0.5, 0.7, 0.9, 0.4, 0.3]])
    found = sign_flip_test(first, np.zeros((1, 5)), ["a", "a", "b", "b", "b"])
    assert (found.p, found.flips, found.patients, found.queries, found.seeds) == (0.5, 4, 2, 5, 1)


def test_drawn_flips_come_near_all_of_them_and_only_depend_on_the_seed() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random((1, 14)) + 0.15, rng.random((1, 14))
    found = sign_flip_test(first, second, np.arange(14))
    sums = np.array([np.sum(first - second)])
    for value in (first - second)[0]:
        sums = np.concatenate([sums, sums - 2 * value])
    every = (np.abs(sums) >= np.abs(sums[0]) - 1e-12).mean()
    assert not found.exact
    assert found.p == pytest.approx(every, abs=0.01)
    assert sign_flip_test(first, second, np.arange(14)) == found


def test_no_difference_is_not_evidence_and_the_least_p_is_never_zero() -> None:
    same = np.random.default_rng(0).random((2, 30))
    assert sign_flip_test(same, same, np.arange(30)).p == 1
    sure = sign_flip_test(same + 1, same, np.arange(30), flips=99)
    assert sure.p == 0.01


def test_null_p_are_even_also_where_values_tie() -> None:
    rng = np.random.default_rng(3)
    p = [
        sign_flip_test(1 / rng.integers(1, 4, (1, 25)), 1 / rng.integers(1, 4, (1, 25)), np.arange(25), flips=199).p
        for _ in range(400)
    ]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.025)


def test_what_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="sizes do not fit"):
        sign_flip_test(np.ones((2, 3)), np.ones((1, 3)), [1, 2, 3])
    with pytest.raises(ValueError, match="not finite"):
        sign_flip_test(np.full((1, 2), np.nan), np.ones((1, 2)), [1, 2])


def test_holm_steps_down_and_never_up() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = dict(enumerate(np.round(rng.random(7) ** 3, 2).tolist()))  # with ties
        expected, so_far = {}, 0.0
        for left, key in zip(range(7, 0, -1), sorted(p, key=lambda k: p[k]), strict=True):
            so_far = max(so_far, min(1.0, left * p[key]))
            expected[key] = so_far
        assert holm(p) == pytest.approx(expected)
    assert list(holm(p).values()) == pytest.approx(multipletests(list(p.values()), method="holm")[1].tolist())
    assert list(holm({"b": 0.04, "a": 0.01})) == ["b", "a"]
    assert holm({}) == {}
    assert holm({"only": 0.03}) == {"only": pytest.approx(0.03)}
    with pytest.raises(ValueError, match="outside"):
        holm({"a": float("nan")})
