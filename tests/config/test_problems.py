"""An arm is judged as a whole: all of its changes on the base trial, whatever their order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from radsweep.config.load import parse_experiment
from radsweep.errors import InputError

BASE: dict[str, Any] = {"experiment": "t", "data": {"shards": "x"}}
LOCAL_ONLY = {"objective.contrast.weight": 0, "objective.local.weight": 1}
BY_LOCAL_SCORE = {"evaluate": {"select": "val/text_to_image_local/recall_at_10"}}


def refusal(**parts: Any) -> str:
    with pytest.raises(InputError) as caught:
        parse_experiment(BASE | parts, "FILE")
    return str(caught.value)


@pytest.mark.parametrize("order", list(itertools.permutations(LOCAL_ONLY)))
def test_an_arm_of_only_the_local_term_is_judged_as_a_whole(order: tuple[str, ...]) -> None:
    """`{contrast.weight: 0, local.weight: 1}` was refused as if all weights were 0."""
    arm = {key: LOCAL_ONLY[key] for key in order}
    arms = {"local only": arm, "sentences": arm | {"augment.text.sentences": "sample"}}
    assert parse_experiment(BASE | BY_LOCAL_SCORE | {"ablation": {"arms": arms, "pairs": [10, 20]}}).ablation
    said = refusal(ablation={"arms": {"baseline": {}} | arms})
    assert said.startswith("FILE: ablation.arms.local only: evaluate.select: ranks by embeddings of whole images and")
    assert "all have weight 0" not in said


def test_an_arm_that_needs_another_one_is_judged_where_the_design_merges_them() -> None:
    arms = {"local": {"objective.local.weight": 1}, "no contrast": {"objective.contrast.weight": 0}}
    said = refusal(**BY_LOCAL_SCORE, ablation={"arms": arms, "design": "leave-one-out"})
    assert said.startswith("FILE: ablation.arms.without local: objective: contrast, local and neighbours all have")
    assert len(said.splitlines()) == 1


def test_an_arm_without_any_term_is_still_refused() -> None:
    arms = {"nothing": {"objective.contrast.weight": 0, "objective.text_ssl.weight": 1}}
    assert "contrast, local and neighbours all have weight 0" in refusal(ablation={"arms": arms})
    arms = {"nothing": {"objective.contrast.weight": 0}}
    assert "ablation.arms.nothing.objective.contrast.weight" in refusal(ablation={"arms": arms})


def test_a_wrong_value_of_an_arm_is_named_by_its_key_beside_another_that_it_needs() -> None:
    said = refusal(ablation={"arms": {"a": LOCAL_ONLY | {"objective.local.attention": -1}}})
    assert said.startswith("FILE: ablation.arms.a.objective.local.attention: expected more than 0, found -1")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("objective.views.text", 2, "the 2 views of a report would read the same"),
        (
            "objective.local.attention",
            3,
            "changes nothing, because objective.local.weight is 0. Set that too, or leave",
        ),
        ("train.steps", 100, "changes nothing, because train.until is plateau"),
    ],
)
def test_an_arm_that_does_nothing_is_refused_with_the_reason(key: str, value: int, said: str) -> None:
    arms = {"baseline": {}, "new": {key: value}}
    assert refusal(ablation={"arms": arms, "pairs": [10, 20]}).startswith(f"FILE: ablation.arms.new: {key}: {said}")
    levels = {"design": "one-at-a-time", "levels": {key: [value]}}
    assert refusal(ablation=levels).startswith(f"FILE: ablation.levels.{key}={value}: {key}: {said}")


def test_a_problem_that_all_arms_share_is_reported_once() -> None:
    arms = {"baseline": {}, "one": {"train.clip": 2}, "two": {"train.clip": 3}}
    said = refusal(ablation={"arms": arms}, objective={"views": {"text": 2}})
    assert said.startswith("FILE: ablation.arms.baseline: objective.views.text")
    assert len(said.splitlines()) == 1


def test_an_arm_whose_switch_is_tuned_is_not_refused() -> None:
    arms = {"local": {"objective.local.attention": 3}}
    space = {"objective.local.weight": {"uniform": [0.1, 1.0]}}
    whole = {"arms": arms, "tune": {"trials": 2, "per_arm": {"local": space}}}
    assert parse_experiment(BASE | {"ablation": whole}).ablation is not None


def test_a_single_trial_is_judged_and_a_search_only_by_what_no_suggestion_mends() -> None:
    views = {"objective": {"views": {"text": 2}}}
    assert refusal(**views).startswith("FILE: objective.views.text: the 2 views")
    rate = {"train.learning_rate": {"loguniform": [1e-5, 1e-3]}}
    assert refusal(**views, search={"space": rate}).startswith("FILE: objective.views.text: the 2 views")
    sentences = {"augment.text.sentences": {"choice": ["all", "sample"]}}
    assert parse_experiment(BASE | views | {"search": {"space": rate | sentences}}).search is not None
