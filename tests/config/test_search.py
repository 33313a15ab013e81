from __future__ import annotations

import itertools
from typing import Any

import pytest

from radsweep.config.load import parse_experiment
from radsweep.config.search import Condition, Dimension, Search, ordered
from radsweep.errors import InputError

WEIGHT = "objective.local.weight"


def parse(space: Any, **search: Any) -> Search:
    tree = {"experiment": "t", "data": {"shards": "x"}, "search": {"space": space} | search}
    found = parse_experiment(tree, "FILE").search
    assert found is not None
    return found


def refusal(space: Any, **search: Any) -> str:
    with pytest.raises(InputError) as caught:
        parse(space, **search)
    return str(caught.value)


@pytest.mark.parametrize(
    ("dimension", "extremes"),
    [
        ({"uniform": [0, 2]}, (0, 2)),
        ({"loguniform": [1e-5, 1e-3]}, (1e-5, 1e-3)),
        ({"int": [3, 7]}, (3, 7)),
        ({"choice": ["a", True, None, [1, 2]]}, ("a", True, None, (1, 2))),
    ],
)
def test_the_extremes_of_a_dimension_bound_it(dimension: dict[str, Any], extremes: tuple[Any, ...]) -> None:
    assert Dimension.model_validate(dimension).extremes() == extremes


@pytest.mark.parametrize(
    ("dimension", "said"),
    [
        ({}, "expected exactly one of uniform, loguniform, int, choice"),
        ({"uniform": [0, 1], "choice": [1]}, "expected exactly one of uniform, loguniform, int, choice"),
        ({"choice": []}, "choice is empty"),
        ({"uniform": [1, 1]}, "low 1.0 is not below high 1.0"),
        ({"int": [4, 2]}, "low 4 is not below high 2"),
        ({"int": [0, 1.5]}, "int.1: expected a whole number, found 1.5"),
        ({"uniform": [0]}, "uniform: entry 2 is missing"),
        ({"loguniform": [0, 1]}, "loguniform starts above 0"),
        ({"unifrom": [0, 1]}, "unifrom: unknown key; did you mean search.space.objective.local.weight.uniform?"),
        ({"uniform": [-1, 1]}, "expected 0 or more, found -1"),
        ({"choice": [0, 1, "much"]}, 'expected a number, found "much"'),
        ({"uniform": [0, 1], "only_if": "more weight"}, "only_if: expected KEY > VALUE"),
        ({"uniform": [0, 1], "only_if": "local.weight > 0"}, ".only_if: unknown key local.weight; did you mean"),
        (3, "expected keys with values ({} for none), found 3"),
    ],
)
def test_a_wrong_dimension_is_reported_with_its_key(dimension: Any, said: str) -> None:
    message = refusal({WEIGHT: dimension})
    assert message.startswith(f"FILE: search.space.{WEIGHT}")
    assert said in message


def test_a_space_is_never_empty_and_its_keys_are_known() -> None:
    assert refusal({}) == "FILE: search.space: is empty; expected at least one entry"
    assert refusal({"objective.local.wieght": {"uniform": [0, 1]}}).endswith("did you mean objective.local.weight?")
    assert "it is a group" in refusal({"objective.local": {"uniform": [0, 1]}})
    assert "search.trials: expected 1 or more" in refusal({WEIGHT: {"uniform": [0, 1]}}, trials=0)


def test_a_grid_needs_dimensions_that_can_be_counted() -> None:
    assert "algorithm grid needs `choice` or `int`" in refusal({WEIGHT: {"uniform": [0, 1]}}, algorithm="grid")
    assert parse({WEIGHT: {"choice": [0, 1]}, "train.seed": {"int": [0, 2]}}, algorithm="grid").algorithm == "grid"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("objective.local.weight > 0", Condition(WEIGHT, ">", 0)),
        ("objective.local.weight>=0.5", Condition(WEIGHT, ">=", 0.5)),
        ("  augment.text.sentences  ==  sample ", Condition("augment.text.sentences", "==", "sample")),
        ("augment.text.sentences != 'all'", Condition("augment.text.sentences", "!=", "all")),
        ("data.pairs == null", Condition("data.pairs", "==", None)),
        ("some.flag == true", Condition("some.flag", "==", True)),
    ],
)
def test_a_condition_is_a_key_a_sign_and_a_value(text: str, condition: Condition) -> None:
    assert Dimension(uniform=(0, 1), only_if=text).condition == condition


@pytest.mark.parametrize(
    ("sign", "holds"),
    [(">", [False, False, True]), (">=", [False, True, True]), ("<", [True, False, False]),
     ("<=", [True, True, False]), ("==", [False, True, False]), ("!=", [True, False, True])],
)  # fmt: skip
def test_a_condition_holds_as_its_sign_says(sign: str, holds: list[bool]) -> None:
    assert [Condition("key", sign, 1).holds(value) for value in (0, 1, 2)] == holds


def test_a_comparison_that_makes_no_sense_does_not_hold() -> None:
    assert not Condition("key", ">", 0).holds("text")
    assert not Condition("key", ">", 0).holds(None)


@pytest.mark.parametrize("order", list(itertools.permutations(["a", "b", "c", "d"])))
def test_a_key_is_asked_after_the_key_that_it_depends_on(order: tuple[str, ...]) -> None:
    conditions = {"b": "a > 0", "c": "b > 0", "d": "elsewhere > 0"}
    space = {key: Dimension(uniform=(0, 1), only_if=conditions.get(key)) for key in order}
    found = ordered(space)
    assert sorted(found) == ["a", "b", "c", "d"]
    assert found.index("a") < found.index("b") < found.index("c")


def test_conditions_in_a_circle_are_refused() -> None:
    other = "objective.local.logits"
    space = {
        WEIGHT: {"uniform": [0, 1], "only_if": f"{other} > 1"},
        other: {"uniform": [1, 2], "only_if": f"{WEIGHT} > 0"},
    }
    assert f"only_if conditions depend on one another: {WEIGHT}, {other}" in refusal(space)
    assert "depend on one another" in refusal({WEIGHT: {"uniform": [0, 1], "only_if": f"{WEIGHT} > 0"}})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"algorithm": "cmaes"}, "use algorithm tpe for one"),
        ({"algorithm": "nsga2"}, "algorithm nsga2 weighs two aims: set cost"),
        ({"algorithm": "cmaes", "cost": "seconds",
          "space": {WEIGHT: {"uniform": [0, 1]}, "train.warmup": {"uniform": [0, 0.5]}}},
         "algorithm cmaes has one aim"),
        ({"cost": "seconds", "scheduler": "asha"}, "scheduler asha only looks at the score"),
        ({"algorithm": "cmaes", "space": {WEIGHT: {"choice": [0, 1]}, "train.warmup": {"uniform": [0, 0.5]}}},
         "only searches numbers, and objective.local.weight has `choice`"),
        ({"algorithm": "cmaes", "space": {"train.warmup": {"uniform": [0, 0.5], "only_if": f"{WEIGHT} > 0"}}},
         "train.warmup has `only_if`"),
        ({"fidelity": "pairs"}, "fidelity pairs needs scheduler asha"),
        ({"fidelity": "pairs", "scheduler": "asha", "space": {"data.pairs": {"int": [10, 20]}}},
         "take it out of the space"),
        ({"algorithm": "grid", "space": {WEIGHT: {"choice": [0, 1]}}, "hours": 1}, "leave hours out"),
        ({"algorithm": "grid", "space": {WEIGHT: {"choice": [0, 1]}}, "scheduler": "asha"}, "set scheduler to none"),
    ],
)  # fmt: skip
def test_settings_that_exclude_one_another_are_reported(settings: dict[str, Any], said: str) -> None:
    space = settings.pop("space", {WEIGHT: {"uniform": [0, 1]}})
    assert said in refusal(space, **settings)


def test_a_search_has_a_number_of_trials_unless_hours_end_it() -> None:
    space = {WEIGHT: {"uniform": [0, 1]}}
    assert parse(space).most_trials == 32
    assert parse(space, hours=2).most_trials is None
    assert parse(space, hours=2, trials=5).most_trials == 5


@pytest.mark.parametrize(
    ("pairs", "trials", "sizes"),
    [
        (1000, 32, [112, 334, 1000]),  # 37 would be fewer than the smallest
        (1000, 8, [334, 1000]),  # nine configurations fill three rungs
        (1000, 2, [1000]),
        (10_000, 81, [124, 371, 1112, 3334, 10_000]),
        (150, 32, [150]),
    ],
)
def test_rungs_of_pairs_end_at_the_base_trials_own_size(pairs: int, trials: int, sizes: list[int]) -> None:
    search = parse({WEIGHT: {"uniform": [0, 1]}}, trials=trials, scheduler="asha", fidelity="pairs")
    assert search.sizes(pairs) == sizes
