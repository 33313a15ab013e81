from __future__ import annotations

import numpy as np
import pytest

from radsweep.evaluation.statistics.patients import Patients, effective_number, unbiased


def test_patients_are_numbered_in_order_and_have_their_share_of_the_queries() -> None:
    found = Patients.of(["b", "a", "b", "c"])
    assert found.patient_Q.tolist() == [1, 0, 1, 2]
    assert found.count == 3
    assert found.share_P.tolist() == [0.25, 0.5, 0.25]


def test_sums_are_over_each_patients_queries_in_any_order() -> None:
    rng = np.random.default_rng(0)
    patient_Q = rng.permutation(np.repeat(np.arange(9), rng.integers(1, 5, 9)))
    values_MQ = rng.normal(size=(3, len(patient_Q)))
    expected_PM = [[row[patient_Q == patient].sum() for row in values_MQ] for patient in range(9)]
    np.testing.assert_allclose(Patients.of(patient_Q).sums(values_MQ), expected_PM, rtol=1e-12)


def test_the_effective_number_is_that_of_patients_whose_equal_mean_varies_as_much() -> None:
    assert effective_number(np.full(7, 1 / 7)) == pytest.approx(7)
    half = np.array([0.5, *[0.5 / 100] * 100])
    assert effective_number(half) == pytest.approx(1 / (1 / 4 + 1 / 400)), "one patient with half of the queries"
    means = np.random.default_rng(1).normal(size=(20_000, 101)) @ half
    assert 1 / means.var() == pytest.approx(effective_number(half), rel=3 * (2 / 20_000) ** 0.5)


@pytest.mark.parametrize("share", [[0.25] * 4, [0.7, 0.1, 0.1, 0.1], [0.5, 0.3, 0.2]])
def test_squared_deviations_from_the_overall_mean_have_the_expectation_of_the_variance(share: list[float]) -> None:
    share_P, repeats = np.array(share), 40_000
    mean_SP = np.random.default_rng(2).normal(size=(repeats, len(share)))
    square_SP = ((mean_SP - (mean_SP @ share_P)[:, None]) * unbiased(share_P)) ** 2
    np.testing.assert_allclose(square_SP.mean(0), 1.0, atol=4 * (2 / repeats) ** 0.5)


def test_with_equal_shares_the_correction_is_that_of_the_sample_variance() -> None:
    values_P = np.random.default_rng(3).normal(size=6)
    corrected_P = (values_P - values_P.mean()) * unbiased(np.full(6, 1 / 6))
    assert (corrected_P**2).mean() == pytest.approx(values_P.var(ddof=1))


def test_one_patient_is_an_error_that_says_why() -> None:
    with pytest.raises(ValueError, match=r"3 queries of 1 patients: .* at least 2 patients"):
        Patients.of(["a", "a", "a"])
