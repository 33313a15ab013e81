"""The points of tuning: as many for every arm, spread over each key's range, the same where arms share a key."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from radsweep.config.ablation import Ablation
from radsweep.config.load import parse_experiment
from radsweep.config.search import Dimension
from radsweep.config.tune import Tune, value_at
from radsweep.errors import InputError

SPACE = {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}, "train.weight_decay": {"uniform": [0, 0.1]}}
OWN = {"local": {"objective.local.weight": {"choice": [0.1, 0.5, 1.0]}}}


def tune(**fields: object) -> Tune:
    return Tune.model_validate({"trials": 12, "space": SPACE, "per_arm": OWN} | fields)


def test_each_equal_part_of_a_range_has_one_point() -> None:
    points = tune().points("baseline", {})
    logs = [math.log10(point["train.learning_rate"]) for point in points]
    assert sorted(np.floor((np.array(logs) + 4) / 2 * 12).astype(int)) == list(range(12))
    decays = [point["train.weight_decay"] for point in points]
    assert sorted(np.floor(np.array(decays) / 0.1 * 12).astype(int)) == list(range(12))
    assert np.argsort(logs).tolist() != np.argsort(decays).tolist()


def test_arms_are_tried_at_the_same_values_of_what_they_share() -> None:
    baseline, local = (tune().points(arm, {}) for arm in ("baseline", "local"))
    assert [{k: v for k, v in point.items() if k in SPACE} for point in local] == baseline
    assert {point["objective.local.weight"] for point in local} == {0.1, 0.5, 1.0}
    assert tune(seed=1).points("baseline", {}) != baseline


def test_each_replicate_has_points_of_its_own_and_arms_still_share_them() -> None:
    first, second = (tune().points("baseline", {}, replicate) for replicate in (0, 1))
    local = tune().points("local", {}, 1)
    assert len({json.dumps(points) for points in (first, second, tune().points("baseline", {}))}) == 3
    assert [{k: v for k, v in point.items() if k in SPACE} for point in local] == second


def test_the_replicates_that_are_tuned_are_those_that_count_as_independent() -> None:
    for seeds, repeat, expected in (
        ({"subset": 3, "init": 2}, "each_replicate", (0, 1, 2)),  # starts on one subset share its tuning
        ({"subset": 1, "init": 2}, "each_replicate", (0, 1)),
        ({"subset": 3}, "once", (None,)),
    ):
        settings = {"trials": 2, "space": SPACE, "repeat": repeat}
        made = Ablation.model_validate({"arms": {"baseline": {}}, "seeds": seeds, "tune": settings})
        assert made.tuned_replicates() == expected
    assert Ablation(arms={"baseline": {}}).tuned_replicates() == ()


def test_every_replicate_is_tuned_unless_the_file_says_once() -> None:
    assert tune().repeat == "each_replicate"
    assert tune(repeat="once").repeat == "once"


def test_a_key_is_set_where_its_condition_holds() -> None:
    own = {"local": {"objective.local.weight": {"uniform": [0, 1], "only_if": "objective.contrast.kind == sigmoid"}}}
    for kind, expected in (("sigmoid", 12), ("infonce", 0)):
        points = tune(per_arm=own).points("local", {"objective": {"contrast": {"kind": kind}}})
        assert sum("objective.local.weight" in point for point in points) == expected


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        ({"int": [2, 4]}, {0.0: 2, 0.5: 3, 0.999: 4}),
        ({"choice": ["a", "b"]}, {0.0: "a", 0.49: "a", 0.5: "b", 0.999: "b"}),
        ({"uniform": [1, 3]}, {0.0: 1.0, 0.5: 2.0}),
        ({"loguniform": [1, 100]}, {0.0: 1.0, 0.5: 10.0}),
    ],
)
def test_values_over_a_dimension(dimension: dict[str, object], values: dict[float, object]) -> None:
    made = Dimension.model_validate(dimension)
    for part, expected in values.items():
        assert value_at(made, part) == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"space": {}, "per_arm": {}}, "ablation.tune.space: is missing"),
        ({"space": {}}, "ablation.tune: nothing is tuned in baseline"),
        ({"per_arm": {"lokal": SPACE}}, "ablation.tune.per_arm.lokal: no such arm; the arms are baseline, local"),
        ({"space": {"data.pairs": {"int": [2, 9]}}}, "data.pairs cannot be tuned"),
        ({"space": {"train.learning_rat": {"int": [2, 9]}}}, "did you mean train.learning_rate?"),
        ({"space": {"train.learning_rate": {"uniform": [-1, 1]}}}, "ablation.tune.space.train.learning_rate"),
        ({"trials": 1}, "ablation.tune.trials"),
        ({"repeat": "twice"}, "ablation.tune.repeat: expected 'each_replicate' or 'once'"),
    ],
)
def test_a_wrong_one_is_reported(fields: dict[str, object], told: str) -> None:
    arms = {"baseline": {}, "local": {"objective.local.weight": 1.0}}
    settings = {"trials": 4, "space": SPACE, "per_arm": OWN} | fields
    tree = {"experiment": "e", "data": {"shards": "x"}, "ablation": {"arms": arms, "tune": settings}}
    with pytest.raises(InputError) as caught:
        parse_experiment(tree, "file.yaml")
    assert "file.yaml" in str(caught.value)
    assert told in str(caught.value)
