"""The probability of an arm to be the best one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from radsweep.evaluation.statistics import Patients, best_probabilities, difference, estimate_means
from radsweep.evaluation.statistics.best_arm import _patient_variances, _seed_variances
from radsweep.evaluation.statistics.interval_width import components
from radsweep.evaluation.statistics.seeds import uneven_arms

PATIENTS = Patients.of([f"p{n}" for n in range(200)])


def hits(rates: dict[str, float], seeds: int, seed: int = 0, spread: float = 0.0) -> dict[str, np.ndarray]:
    """Hits of 200 queries, [R, Q] by arm; `spread`: deviation of the rate between replicates."""
    rng = np.random.default_rng(seed)
    rate = {arm: p + spread * rng.standard_normal((seeds, 1)) for arm, p in rates.items()}
    return {arm: (rng.random((seeds, 200)) < p_R1).astype(float) for arm, p_R1 in rate.items()}


def test_of_two_arms_it_is_the_tail_of_their_difference() -> None:
    one = hits({"baseline": 0.30, "local": 0.38}, 1)
    estimates = estimate_means({arm: np.repeat(values, 3, axis=0) for arm, values in one.items()}, PATIENTS)
    change = difference(estimates, "local", "baseline")
    expected = stats.t.cdf(change.estimate / change.standard_error, change.patient_degrees)
    found = best_probabilities(estimates)
    assert found["local"] == pytest.approx(expected, abs=0.03)
    assert sum(found.values()) == pytest.approx(1)


def test_equal_arms_are_equally_probable_and_seeds_make_all_less_certain() -> None:
    null = [best_probabilities(estimate_means(hits(dict.fromkeys("abc", 0.3), 4, n), PATIENTS)) for n in range(60)]
    assert np.mean([found["a"] for found in null]) == pytest.approx(1 / 3, abs=0.1)
    rates = {"baseline": 0.2, "local": 0.3, "views": 0.4}
    steady, spread = (best_probabilities(estimate_means(hits(rates, 4, 1, d), PATIENTS)) for d in (0.0, 0.15))
    assert steady["views"] > 0.95 > spread["views"]


def test_a_lower_metric_reverses_it_and_draws_are_seeded() -> None:
    estimates = estimate_means(hits({"a": 0.2, "b": 0.6, "c": 0.4}, 3), PATIENTS)
    assert best_probabilities(estimates)["b"] > 0.95
    assert best_probabilities(estimates, higher_is_better=False)["a"] > 0.95
    assert best_probabilities(estimates) == best_probabilities(estimates)


def test_two_names_of_one_configuration_have_the_probability_of_it() -> None:
    values = hits({"a": 0.3, "b": 0.35}, 3)
    alone = best_probabilities(estimate_means(values, PATIENTS))
    twice = best_probabilities(estimate_means(values | {"again": values["b"]}, PATIENTS))
    assert twice == alone | {"again": alone["b"]}


@pytest.mark.parametrize(("arms", "seeds"), [("ab", 1), ("ab", 2), ("a", 5)])
def test_without_a_spread_between_seeds_or_another_arm_there_is_none(arms: str, seeds: int) -> None:
    assert best_probabilities(estimate_means(hits(dict.fromkeys(arms, 0.3), seeds), PATIENTS)) == {}


@pytest.mark.parametrize("unsteady", [False, True])
def test_variances_are_those_that_intervals_rest_on(unsteady: bool) -> None:
    values = hits({"a": 0.2, "b": 0.6, "c": 0.4, "d": 0.4, "e": 0.3}, 3)
    if unsteady:
        values["c"][0] = 0.0
    estimates = estimate_means(values, PATIENTS)
    assert uneven_arms(estimates.value_AR).any() == unsteady
    patients_AA, disagreement_AA = _patient_variances(estimates.influence_PAR)
    seeds_AA, degrees = _seed_variances(estimates)
    assert degrees == (2 if unsteady else 8)
    for a, b in ((0, 2), (1, 3), (4, 4)):
        contrast_A = np.zeros(5)
        contrast_A[a] += 1
        contrast_A[b] -= 1
        found = components(estimates, contrast_A)
        assert patients_AA[a, b] == pytest.approx(found.patients.variance)
        assert disagreement_AA[a, b] == pytest.approx(found.disagreement)
        assert seeds_AA[a, b] == pytest.approx(found.seed_variance)
