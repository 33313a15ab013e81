from __future__ import annotations

import itertools

import pytest
from statsmodels.stats.multitest import multipletests

from radsweep.evaluation.statistics.multiplicity import LEVEL, PLANNED, Correction


def test_all_comparisons_at_all_looks_together_use_five_percent() -> None:
    looks = [Correction(comparisons=7, look=look) for look in range(1, 2001)]
    assert 7 * looks[0].alpha == pytest.approx(0.05 * PLANNED)
    spent = 7 * sum(c.alpha for c in looks)
    assert spent < 0.05
    assert spent == pytest.approx(0.05, rel=1 / 2000)
    assert all(later.alpha < now.alpha for now, later in itertools.pairwise(looks))


@pytest.mark.parametrize("look", [1, 2, 5])
def test_planned_looks_share_the_error_of_their_sweep(look: int) -> None:
    """Wider than for a single look, narrower than by Bonferroni over looks."""
    once = Correction(comparisons=3, look=look, arms=4)
    planned = Correction(comparisons=3, look=look, planned_looks=11, arms=4)
    assert once.alpha / 11 < planned.alpha < once.alpha


def test_comparisons_are_corrected_by_bonferroni_within_the_share_of_the_look() -> None:
    p_values = [0.0001, 0.004, 0.0101, 0.5]
    expected = multipletests([p / PLANNED for p in p_values], method="bonferroni")[1]
    assert [Correction(comparisons=4).adjusted(p) for p in p_values] == pytest.approx(expected)


def test_an_adjusted_p_is_below_five_percent_exactly_below_the_share_of_the_comparison() -> None:
    for comparisons, look, planned in itertools.product((3, 6, 40), (1, 2, 5), (1, 3)):
        correction = Correction(comparisons, look, planned, arms=4)
        assert correction.adjusted(correction.alpha * (1 - 1e-9)) < 1 - LEVEL
        assert correction.adjusted(correction.alpha * (1 + 1e-9)) > 1 - LEVEL
        assert correction.adjusted(1.0) == 1
