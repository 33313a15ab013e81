"""Planned looks against independent computations: multivariate t, least squares, and sweeps without a difference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from radsweep.evaluation.statistics import Correction
from radsweep.evaluation.statistics.seeds import within_of_partial
from radsweep.evaluation.statistics.sequential import FIRST_LOOK, look_alpha, planned_looks


@pytest.mark.parametrize("arms", [3, 6])
def test_one_look_is_dunnetts_correction(arms: int) -> None:
    """Dunnett 1955: comparisons with one baseline are multivariate t with correlations of a half."""
    degrees = (arms - 1) * (FIRST_LOOK - 1)
    correlation = np.full((arms - 1, arms - 1), 0.5) + 0.5 * np.eye(arms - 1)
    together = stats.multivariate_t(shape=correlation, df=degrees, seed=0)

    def beyond(critical: float) -> float:
        ends = np.full(arms - 1, critical)
        return float(1 - together.cdf(ends, lower_limit=-ends, maxpts=20_000))

    critical = optimize.brentq(lambda c: beyond(c) - 0.05, 1.5, 30, xtol=0.01)
    assert look_alpha(arms, 1, 0.05) == pytest.approx(2 * stats.t.sf(critical, degrees), rel=0.1)


def test_more_looks_arms_and_sizes_leave_less_for_each() -> None:
    assert look_alpha(4, 1, 0.04) > look_alpha(4, 5, 0.04) > look_alpha(4, 11, 0.04) > look_alpha(8, 11, 0.04)
    one_size, three_sizes = Correction(3, 1, 11, 4), Correction(9, 1, 11, 4)
    assert three_sizes.alpha < one_size.alpha / 2
    assert look_alpha(4, 11, 0.04) > 0.04 / 3 / 11, "Bonferroni over comparisons and looks wastes some"


@pytest.mark.parametrize("arms", [2, 4, 30])
def test_of_sweeps_without_a_difference_five_per_cent_claim_one_at_any_look(arms: int) -> None:
    """Those of 30 arms as well: beyond 20 the level is Bonferroni's."""
    most, sweeps = 8, 1500
    rng = np.random.default_rng(99)
    alpha = look_alpha(arms, planned_looks(most), 0.05)
    value_SAR = rng.standard_t(20, (sweeps, arms, most)) + rng.normal(size=(sweeps, 1, most))
    claimed_S = np.zeros(sweeps, dtype=bool)
    for seeds in range(FIRST_LOOK, most + 1):
        seen_SAR = value_SAR[:, :, :seeds] - value_SAR[:, :, :seeds].mean(1, keepdims=True)
        mean_SA, degrees = seen_SAR.mean(2), (arms - 1) * (seeds - 1)
        error_S = np.sqrt(2 * ((seen_SAR - mean_SA[:, :, None]) ** 2).sum((1, 2)) / degrees / seeds)
        farthest_S = np.abs(mean_SA[:, 1:] - mean_SA[:, :1]).max(1)
        claimed_S |= farthest_S > stats.t.isf(alpha / 2, degrees) * error_S
    assert claimed_S.mean() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / sweeps)
    assert claimed_S.mean() > 0.015


def test_looks_are_planned_after_each_seed_from_the_third() -> None:
    assert [planned_looks(most) for most in (3, 4, 12)] == [1, 2, 10]


def test_the_variance_with_stopped_arms_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(1)
    value_AR = rng.normal(size=(5, 7)) + rng.normal(size=7)
    value_AR[3, 4:] = value_AR[4, 2:] = np.nan
    arm, seed = np.nonzero(np.isfinite(value_AR))
    design = np.zeros((len(arm), 12))
    design[np.arange(len(arm)), arm] = design[np.arange(len(arm)), 5 + seed] = 1
    _, _, rank, _ = np.linalg.lstsq(design, value_AR[arm, seed], rcond=None)
    fitted = design @ np.linalg.pinv(design) @ value_AR[arm, seed]
    found = within_of_partial(value_AR)
    assert found.degrees == len(arm) - rank
    assert found.variance == pytest.approx(((value_AR[arm, seed] - fitted) ** 2).sum() / found.degrees)
