"""A plateau that no trial could reach is refused with the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.sweep.checks.plateau import check_plateaus
from radsweep.training.schedule import schedule_for
from radsweep.training.trail import Trail

# as paper_ablation.yaml once was
ONCE = {"train.max_epochs": 100, "train.batch_size": 128, "data.pairs": 100}


def trial(**values: object) -> Trial:
    return trial_with(Trial(data=Data(shards="here")), values)


def check(*trials: Trial) -> None:
    check_plateaus(trials, lambda trial: 3000)


def test_a_plateau_that_cannot_be_reached_is_refused_with_the_numbers() -> None:
    with pytest.raises(InputError) as found:
        check(trial(**ONCE))
    text = str(found.value)
    assert found.value.key == "train.max_epochs"
    assert "100 pairs cannot reach a plateau: of at most 100 steps, 10 are warm-up and the last 17 cool-down" in text
    assert "leaves 4 validations at the constant rate, 20 steps apart; a plateau needs 15" in text
    assert "Allow 420 steps (420 epochs)" in text


@pytest.mark.parametrize(
    "values",
    [{}, {"data.pairs": 10}, {"data.pairs": 100}, {"data.pairs": 3000}, ONCE | {"train.until": "epochs"}],
    ids=["all pairs", "10", "100", "3000", "a fixed length"],
)
def test_the_defaults_can_reach_a_plateau_with_every_number_of_pairs(values: dict[str, object]) -> None:
    check(trial(**values))


def test_the_ceiling_that_is_asked_for_suffices_and_no_lower_one_does() -> None:
    for values in (
        {"train.max_steps": 30},
        {"train.max_steps": 150, "train.warmup": 0.5},
        {"train.max_steps": 400, "train.patience": 40},
    ):
        with pytest.raises(InputError) as found:
            check(trial(**values))
        asked = re.search(r"Allow ([\d,]+) steps", str(found.value))
        assert asked
        enough = int(asked[1].replace(",", ""))
        check(trial(**(values | {"train.max_steps": enough})))
        with pytest.raises(InputError):
            check(trial(**(values | {"train.max_steps": enough - 47})))


def test_a_warm_up_that_leaves_no_constant_rate_is_refused() -> None:
    with pytest.raises(InputError, match=r"leaves 0 validations .* Lower train.warmup"):
        check(trial(**{"train.warmup": 0.9}))


def test_what_passes_can_indeed_converge() -> None:
    """A metric that jumps to its end at once, on many queries, in the shortest run that passes."""
    with pytest.raises(InputError) as found:
        check(trial(**{"train.max_steps": 30}))
    asked = re.search(r"Allow ([\d,]+) steps", str(found.value))
    assert asked
    shortest = trial(**{"train.max_steps": int(asked[1])}).train
    schedule, trail, rng = schedule_for(shortest, 1), Trail(), np.random.default_rng(0)
    for step in range(20, schedule.ceiling + 1, 20):
        value_Q = (rng.random(5000) < (0.9 if step > schedule.warmup else 0.0)).astype(np.float64)
        schedule.judged(schedule.follow(trail, value_Q, step, 0.0), step)
    assert schedule.convergence == "converged"
