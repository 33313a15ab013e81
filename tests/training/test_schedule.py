"""The length of a trial's training, and its rate."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from radsweep.config.training import Train
from radsweep.training.schedule import Schedule, between_validations, schedule_for
from radsweep.training.trail import Trail

QUERIES, CHANCE = 1000, 0.02


def plateau(**values: Any) -> Schedule:
    return schedule_for(Train(**({"until": "plateau", "max_steps": 4000, "warmup": 0.05} | values)), 5)


def test_a_fixed_length_warms_up_and_ends_at_zero() -> None:
    schedule = schedule_for(Train(until="steps", steps=100, warmup=0.1), steps_per_epoch=7)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[9:]))
    assert rates[-1] < 0.01
    assert schedule.finished(100)
    assert not schedule.finished(99)


def test_epochs_are_counted_in_steps() -> None:
    assert schedule_for(Train(until="epochs", epochs=3), steps_per_epoch=7).end == 21


def trained(schedule: Schedule, constant: float, every: int = 10, gain: float = 0.5) -> int:
    """Validate a curve of this time constant; the step at which training ends."""
    rng, trail, step = np.random.default_rng(0), Trail(), 0
    easy_Q = rng.random(QUERIES)
    while not schedule.finished(step):
        step += every
        level = CHANCE + gain * (1 - np.exp(-step / constant))
        value_Q = (0.8 * easy_Q + 0.2 * rng.random(QUERIES) < level).astype(np.float64)
        schedule.validated(float(value_Q.mean()), step)
        schedule.judged(schedule.follow(trail, value_Q, step, CHANCE), step)
    return step


def test_a_plateau_ends_in_a_cooldown_and_counts_as_converged() -> None:
    schedule = plateau()
    end = trained(schedule, constant=100)
    assert schedule.convergence == "converged"
    found = schedule.cooldown_start
    assert 230 < found < 1500, "2.3 time constants, at which doubling adds a tenth, and no later than it takes to see"
    assert end == pytest.approx(1.2 * found, abs=10)
    assert schedule.rate(found - 1) == 1.0
    assert schedule.rate(schedule.end - 1) < 0.01


def test_a_run_that_still_rises_at_its_ceiling_is_still_rising_and_is_annealed_all_the_same() -> None:
    schedule = plateau()
    assert trained(schedule, constant=20_000, gain=3.0) == 4000
    assert schedule.convergence == "still rising"
    assert schedule.rate(3999) < 0.01


@pytest.mark.parametrize("constant", [1, 100, 20_000])
def test_an_annealed_schedule_never_shows_that_a_run_has_converged(constant: float) -> None:
    schedule = schedule_for(Train(until="steps", steps=1000), 5)
    assert trained(schedule, constant) == 1000
    assert schedule.convergence == "cannot tell"


def test_validations_of_the_cool_down_do_not_change_the_answer() -> None:
    schedule = plateau(max_steps=600)
    trained(schedule, constant=20_000)
    trail, flat_Q = Trail(), np.ones(QUERIES)
    before = schedule.convergence
    for step in range(schedule.cooldown_start + 1, 600):
        assert schedule.follow(trail, flat_Q, step, CHANCE) == before
    assert trail.stretches == []


def test_waiting_for_a_plateau_starts_after_warm_up() -> None:
    schedule = plateau(warmup=0.3, patience=20)
    trained(schedule, constant=1)
    assert schedule.warmup == 1200
    assert schedule.cooldown_start >= 1200 + 20 * 10


def test_patience_is_the_least_number_of_validations() -> None:
    schedule = plateau(patience=60)
    trained(schedule, constant=1)
    assert schedule.cooldown_start >= schedule.warmup + 60 * 10


def test_of_equal_scores_the_later_one_is_kept() -> None:
    schedule = plateau()
    assert [schedule.validated(score, step) for step, score in enumerate([0.1, 0.3, 0.3, 0.2])] == [
        True, True, True, False,
    ]  # fmt: skip
    assert (schedule.best, schedule.best_step) == (0.3, 2)


def test_the_ceiling_is_in_steps_and_equal_for_every_number_of_pairs() -> None:
    assert {schedule_for(Train(), steps_per_epoch).ceiling for steps_per_epoch in (2, 5, 47)} == {4000}
    assert schedule_for(Train(max_epochs=60), 2).ceiling == 120, "a bound in epochs is possible, if it comes first"
    assert schedule_for(Train(max_epochs=60), 100).ceiling == 4000
    assert Train.model_validate({"max_steps": None, "max_epochs": 60}).max_steps == 4000, (
        "a record of an earlier version"
    )


@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_steps_are_counted_at_the_full_rate(warmup: float) -> None:
    schedule = plateau(warmup=warmup)
    rates = np.cumsum([schedule.rate(step) for step in range(3000)])
    assert schedule.time(3000) == pytest.approx(rates[-1])


def test_validations_come_at_the_end_of_epochs() -> None:
    assert [between_validations(epoch, 20) for epoch in (1, 3, 20, 47)] == [20, 21, 20, 47]
