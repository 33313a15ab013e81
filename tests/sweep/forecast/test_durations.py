"""Duration of a sweep, compared with sums done by hand."""

from __future__ import annotations

from typing import Any

import pytest

from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.store.records import CellRecord
from radsweep.sweep.forecast.durations import Expected, Paces, longest, total

BASE = Trial.model_validate({"data": {"shards": "x", "pairs": 100}, "train": {"batch_size": 20, "max_epochs": 6}})


def finished(seconds: float, steps: int, device: str = "cpu", **changes: Any) -> CellRecord:
    trial = trial_with(BASE, {key.replace("__", "."): value for key, value in changes.items()})
    return CellRecord(
        key="k", trial=trial.model_dump(mode="json"), status="finished", pairs=trial.data.pairs or 0, device=device,
        steps=steps, seconds={"training": 0.8 * seconds, "total": seconds},
    )  # fmt: skip


def test_a_trial_with_other_seeds_takes_as_long_as_its_like() -> None:
    paces = Paces(
        [finished(10, 20, data__seed=1), finished(14, 28, train__seed=5), finished(99, 20, data__pairs=50)], "cpu"
    )
    found = paces.expected(trial_with(BASE, {"data.seed": 9}), 1000)
    assert found == Expected(12, False, "trials of the same settings and size with other seeds")


def test_another_size_takes_the_pace_times_the_maximum_of_steps_and_may_end_earlier() -> None:
    paces = Paces([finished(10, 20), finished(20, 20)], "cpu")
    found = paces.expected(trial_with(BASE, {"data.pairs": 200}), 1000)
    assert found is not None
    assert found.seconds == pytest.approx(30 / 40 * 10 * 6)  # 10 batches an epoch, 6 epochs at most
    assert found.ceiling
    fixed = paces.expected(trial_with(BASE, {"data.pairs": 200, "train.until": "steps", "train.steps": 8}), 1000)
    assert fixed is not None
    assert (fixed.seconds, fixed.ceiling) == (pytest.approx(6), False)


def test_the_most_similar_trial_is_used_if_none_is_equal_and_the_difference_is_named() -> None:
    near, far = {"objective__local__weight": 1}, {"objective__local__weight": 1, "objective__neighbours__weight": 1}
    paces = Paces([finished(10, 10, **near), finished(50, 10, **far)], "cpu")
    found = paces.expected(BASE, 1000)
    assert found is not None
    assert found.seconds == pytest.approx(1.0 * 30)
    assert found.source == "the most similar trials, which differ in objective.local.weight"


def test_trials_on_another_device_or_of_another_backbone_are_not_used() -> None:
    other = {"model__image__backbone": "resnet50"}
    assert Paces([finished(10, 20, device="cuda"), finished(10, 20, **other)], "cpu").expected(BASE, 1000) is None
    assert Paces([], "cpu").expected(BASE, 1000) is None


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, 5 * 6),
        ({"train.max_steps": 7}, 7),
        ({"train.until": "epochs", "train.epochs": 2}, 10),
        ({"train.until": "steps", "train.steps": 9}, 9),
        ({"train.batch_size": 32}, 3 * 6),  # a remainder of 4 joins the batch before
    ],
)
def test_a_trial_never_passes_its_ceiling(changes: dict[str, Any], steps: int) -> None:
    assert longest(trial_with(BASE, changes), 100) == steps


def test_slots_take_trials_in_turn_and_hours_are_what_slots_reserve() -> None:
    trials = [Expected(seconds, seconds > 300, f"{seconds > 300}") for seconds in (300, 100, 100, 100, 400)]
    found = total(trials, 2, 4, "GPU hours")
    assert found.wall_seconds == 300 + 400  # 300 beside 3 x 100, then the last
    assert found.compute_hours == pytest.approx(1000 * 4 / 3600)
    assert (found.at_most, found.unit, found.sources) == (True, "GPU hours", {"False": 4, "True": 1})
