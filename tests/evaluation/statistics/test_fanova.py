from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution

from radsweep.evaluation.statistics.fanova import Factor, variance_shares


def test_shares_of_numbers_are_those_of_optuna() -> None:
    rng = np.random.default_rng(0)
    params_NF = rng.uniform(size=(40, 3))
    score_N = 3 * params_NF[:, 1] + rng.normal(size=40)
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    domains = {name: FloatDistribution(-1, 2) for name in "abc"}
    for params_F, score in zip(params_NF.tolist(), score_N.tolist(), strict=True):
        values = dict(zip("abc", params_F, strict=True))
        study.add_trial(optuna.trial.create_trial(params=values, distributions=domains, value=score))
    expected = optuna.importance.FanovaImportanceEvaluator(n_trees=8, seed=3).evaluate(study)
    found = variance_shares([Factor(value_N, -1, 2) for value_N in params_NF.T], score_N, trees=8, seed=3)
    assert dict(zip("abc", found.tolist(), strict=True)) == pytest.approx(expected)


def test_the_options_of_a_choice_count_once_each() -> None:
    option_N = np.repeat([0.0, 1.0, 2.0], 20)
    noise_N = np.random.default_rng(0).uniform(size=60)
    found = variance_shares(
        [Factor(option_N, options=3), Factor(noise_N)], (option_N == 2).astype(float), trees=8, seed=0
    )
    assert found.tolist() == pytest.approx([1, 0])


def test_shares_are_the_analytic_ones_of_an_additive_function_on_a_grid() -> None:
    first_N, second_N = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 40)))
    found = variance_shares([Factor(first_N), Factor(second_N)], 2 * first_N + second_N, trees=8, seed=0)
    assert found == pytest.approx([0.8, 0.2], abs=0.01)
