"""How many trials fit at once, and what their workers reserve."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from radsweep.errors import InputError
from radsweep.spec.experiment import Run
from radsweep.spec.load import trial_with
from radsweep.spec.trial import Data, Trial
from radsweep.sweep.cluster import Room, room_in

TRIAL = Trial(data=Data(shards="none"))
TWO = trial_with(TRIAL, {"train.workers": 2})


@pytest.mark.parametrize(
    ("cpus", "gpus", "run", "trial", "arm", "expected"),
    [
        (8, 0, {}, TRIAL, "", Room(8, 1, 1, 0)),
        (8, 0, {"cpus_per_worker": 3}, TRIAL, "", Room(2, 1, 3, 0)),
        (8, 2, {}, TRIAL, "", Room(2, 1, 1, 1)),
        (8, 2, {"gpus_per_worker": 0.25}, TRIAL, "", Room(8, 1, 1, 0.25)),
        (16, 2, {"gpus_per_worker": 0.3}, TRIAL, "", Room(6, 1, 1, 0.3)),
        (16, 2, {"gpus_per_worker": 0.4}, TRIAL, "", Room(4, 1, 1, 0.4)),
        (16, 4, {}, TWO, "", Room(2, 2, 1, 1)),
        (8, 2, {"gpus_per_worker": 0}, TRIAL, "", Room(8, 1, 1, 0)),
        (16, 4, {"gpus_per_worker": 0.25, "needs": {"big": {"gpus_per_worker": 1}}}, TWO, "big", Room(2, 2, 1, 1)),
        (16, 4, {"gpus_per_worker": 0.25, "needs": {"big": {"gpus_per_worker": 1}}}, TRIAL, "", Room(16, 1, 1, 0.25)),
        (16, 0, {"slots": 8, "needs": {"big": {"cpus_per_worker": 4}}}, TRIAL, "big", Room(4, 1, 4, 0)),
        (16, 0, {"slots": 3, "needs": {"big": {"cpus_per_worker": 4}}}, TRIAL, "big", Room(3, 1, 4, 0)),
    ],
)
def test_room(cpus: float, gpus: float, run: dict, trial: Trial, arm: str, expected: Room) -> None:
    assert room_in(cpus, gpus, Run.model_validate(run), trial, arm) == expected


def test_one_and_a_half_gpus_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"1\.5: a part of one GPU, or a whole number"):
        Run.model_validate({"gpus_per_worker": 1.5})
    assert Run.model_validate({"gpus_per_worker": 2}).gpus_per_worker == 2


@pytest.mark.parametrize(
    ("cpus", "gpus", "run", "trial", "arm", "told"),
    [
        (1, 0, {}, TWO, "", "needs 2 x 1 CPUs"),
        (1, 0, {}, TWO, "big", "a trial of big needs 2 x 1 CPUs"),
        (8, 1, {"gpus_per_worker": 2}, TRIAL, "", "1 x 2 GPUs"),
        (8, 2, {"gpus_per_worker": 0.5}, TWO, "", "cannot share a GPU"),
        (8, 2, {"slots": 3}, TRIAL, "", "run.slots: 3 slots"),
        (8, 0, {"needs": {"big": {"gpus_per_worker": 1}}}, TRIAL, "big", "run.needs.big: trials of a sweep all run on"),
    ],
)
def test_what_can_never_be_had_is_refused(
    cpus: float, gpus: float, run: dict, trial: Trial, arm: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        room_in(cpus, gpus, Run.model_validate(run), trial, arm)
