"""How long a trial trains, and at which rate."""

from __future__ import annotations

import itertools

import pytest

from radsweep.config.training import Train
from radsweep.training.schedule import Schedule, schedule_for


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


def flat_after(schedule: Schedule, best: int, every: int = 10) -> int:
    """Validate every 10 steps, rising until `best`; the step at which training ends."""
    step = 0
    while not schedule.finished(step):
        step += 1
        if step % every == 0:
            schedule.validated(float(min(step, best)), step)
    return step


def test_a_plateau_ends_in_a_cooldown_and_counts_as_converged() -> None:
    schedule = schedule_for(Train(until="plateau", max_steps=1000, patience=3, cooldown=0.2, warmup=0.05), 5)
    assert schedule.rate(500) == 1.0
    assert flat_after(schedule, best=200) == 230 + 46
    assert schedule.converged
    assert schedule.rate(230) == 1.0
    assert schedule.rate(275) < 0.01


def test_a_run_that_still_rises_at_its_ceiling_has_not_converged_and_is_annealed_all_the_same() -> None:
    schedule = schedule_for(Train(until="plateau", max_steps=600, patience=3, cooldown=0.2), 5)
    assert flat_after(schedule, best=10_000) == 600
    assert not schedule.converged
    assert schedule.rate(599) < 0.01


def test_a_run_of_fixed_length_has_converged_where_its_last_validations_brought_nothing() -> None:
    flat, rising = (schedule_for(Train(until="steps", steps=200, patience=4), 5) for _ in range(2))
    flat_after(flat, best=100)
    flat_after(rising, best=200)
    assert flat.converged
    assert not rising.converged


def test_a_plateau_is_not_looked_for_during_warm_up() -> None:
    schedule = schedule_for(Train(until="plateau", max_steps=1000, patience=1, warmup=0.3), 5)
    assert flat_after(schedule, best=10) >= 300
