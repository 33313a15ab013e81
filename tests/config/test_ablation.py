from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from radsweep.config.ablation import Ablation, Seeds
from radsweep.config.load import parse_experiment
from radsweep.errors import InputError

ARMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "local": {"objective.local.weight": 1},
    "sentences": {"augment.text.sentences": "sample", "augment.text.keep": 0.5},
}


def refusal(ablation: dict[str, Any], **base: Any) -> str:
    with pytest.raises(InputError) as caught:
        parse_experiment({"experiment": "t", "data": {"shards": "x"}, "ablation": ablation} | base, "FILE")
    return str(caught.value)


def test_add_one_takes_the_arms_as_they_are() -> None:
    assert Ablation(arms=ARMS).designed_arms() == ARMS


def test_leave_one_out_merges_all_arms_and_leaves_out_one_at_a_time() -> None:
    designed = Ablation(arms=ARMS, design="leave-one-out").designed_arms()
    assert designed == {
        "full": ARMS["local"] | ARMS["sentences"],
        "without local": ARMS["sentences"],
        "without sentences": ARMS["local"],
    }


def test_factorial_is_every_on_and_off_combination() -> None:
    three = ARMS | {"seed": {"train.seed": 7}}
    designed = Ablation(arms=three, design="factorial").designed_arms()
    assert len(designed) == 2**3
    assert designed["baseline"] == {}
    assert designed["local + seed"] == {"objective.local.weight": 1, "train.seed": 7}
    assert designed["local + sentences + seed"] == ARMS["local"] | ARMS["sentences"] | {"train.seed": 7}
    assert len({tuple(sorted(changes.items())) for changes in designed.values()}) == 2**3


SIX = {name: {f"augment.text.{name}": 0.1} for name in ("swap", "delete", "insert", "synonyms")} | {
    "local": {"objective.local.weight": 1},
    "views": {"objective.views.image": 2},
}


@pytest.mark.parametrize(
    ("arms", "settings", "runs"),
    [(3, {"resolution": 3}, 4), (4, {}, 8), (5, {"resolution": 5}, 16), (6, {"runs": 8}, 8), (6, {"runs": 32}, 32)],
)
def test_a_fraction_is_balanced_and_holds_the_baseline(arms: int, settings: dict[str, int], runs: int) -> None:
    names = list(SIX)[:arms]
    designed = Ablation(arms={n: SIX[n] for n in names}, design="fractional", **settings).designed_arms()
    assert len(designed) == runs < 2**arms
    assert next(iter(designed)) == "baseline"
    assert designed["baseline"] == {}
    for first, second in itertools.combinations(names, 2):
        together = Counter(
            (SIX[first].items() <= on.items(), SIX[second].items() <= on.items()) for on in designed.values()
        )
        assert set(together.values()) == {runs // 4}, "any two factors are crossed evenly"


@pytest.mark.parametrize(
    ("ablation", "said"),
    [
        (
            {"arms": ARMS, "design": "fractional"},
            "ablation.arms: fractional needs 3 of them or more that change something, found 2",
        ),
        (
            {"arms": dict(list(SIX.items())[:3]), "design": "fractional"},
            "ablation.resolution: 4 of 3 factors takes all 8 combinations; set resolution 3, or use design factorial",
        ),
        ({"arms": SIX, "design": "fractional", "resolution": 6}, "ablation.resolution: expected 3, 4 or 5, found 6"),
        ({"arms": SIX, "design": "fractional", "runs": 24}, "is best with 24 runs; give 8 or 16 or 32"),
        ({"arms": SIX, "design": "fractional", "runs": 16, "resolution": 4}, "`resolution` and `runs` both set"),
        ({"arms": SIX, "resolution": 4}, "resolution: only for design fractional, but design is add-one"),
        ({"arms": SIX, "design": "factorial", "runs": 8}, "runs: only for design fractional, but design is factorial"),
        (
            {"arms": ARMS, "levels": {"train.clip": [1, 2]}},
            "levels: only for design one-at-a-time, but design is add-one",
        ),
        ({"design": "one-at-a-time"}, "levels: is missing"),
        ({"arms": ARMS, "design": "one-at-a-time"}, "arms: design one-at-a-time takes `levels`"),
        ({"design": "one-at-a-time", "levels": {"train.clip": []}}, "levels.train.clip: is empty"),
        ({"design": "one-at-a-time", "levels": {"train.clip": [2, 2]}}, "levels.train.clip: 2 is there twice"),
        ({"design": "one-at-a-time", "levels": {"train.clipp": [2]}}, "ablation.levels.train.clipp: unknown key"),
        (
            {"design": "one-at-a-time", "levels": {"train.clip": [2, -1]}},
            "ablation.levels.train.clip: expected more than 0",
        ),
        ({"design": "one-at-a-time", "levels": {"train.clip": [1.0]}}, "every value is the base trial's own"),
        ({}, "arms: is missing"),
    ],
)
def test_a_design_that_cannot_be_had_is_reported(ablation: dict[str, Any], said: str) -> None:
    assert said in refusal(ablation)


def test_one_at_a_time_is_each_level_alone_and_the_base_for_its_own() -> None:
    levels = {"objective.local.weight": [0, 0.5, 1], "augment.text.sentences": ["all", "one"]}
    whole = parse_experiment(
        {
            "experiment": "t",
            "data": {"shards": "x"},
            "ablation": {"design": "one-at-a-time", "levels": levels},
        },
        "FILE",
    )
    assert whole.ablation is not None
    assert whole.ablation.designed_arms(whole.trial()) == {
        "baseline": {},
        "objective.local.weight=0.5": {"objective.local.weight": 0.5},
        "objective.local.weight=1": {"objective.local.weight": 1},
        "augment.text.sentences=one": {"augment.text.sentences": "one"},
    }


@pytest.mark.parametrize("design", ["leave-one-out", "factorial"])
def test_arms_that_set_one_key_cannot_be_merged(design: str) -> None:
    clashing = {"a": {"train.clip": 1}, "b": {"train.clip": 2}}
    assert "arms a and b both set train.clip" in refusal({"arms": clashing, "design": design})
    assert Ablation(arms=clashing).designed_arms() == clashing


@pytest.mark.parametrize("design", ["leave-one-out", "factorial"])
def test_a_merging_design_needs_an_arm_that_changes_something(design: str) -> None:
    assert "needs an arm that changes something" in refusal({"arms": {"baseline": {}}, "design": design})


def test_a_number_of_seeds_is_a_number_of_replicates() -> None:
    base = {"experiment": "t", "data": {"shards": "x"}}
    for given, meant in ((3, Seeds(subset=3)), ({"subset": 2, "init": 4}, Seeds(subset=2, init=4))):
        ablation = parse_experiment(base | {"ablation": {"arms": ARMS, "seeds": given}}, "FILE").ablation
        assert ablation is not None
        assert ablation.seeds == meant
    assert "ablation.seeds.subset: expected 1 or more, found 0" in refusal({"arms": ARMS, "seeds": 0})
    assert "ablation.seeds" in refusal({"arms": ARMS, "seeds": True})


@pytest.mark.parametrize("pairs", [[100, 100], [1]])
def test_sizes_are_different_and_at_least_two(pairs: list[int]) -> None:
    assert "pairs: expected different numbers of at least 2" in refusal({"arms": ARMS, "pairs": pairs})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective.lokal.weight": 1}, "objective.lokal.weight: unknown key; did you mean objective.local.weight?"),
        ({"keep": 1}, "keep: unknown key; did you mean augment.text.keep?"),
        ({"objective": {"local": {"weight": 1}}}, "objective: unknown key: it is a group; give its keys with dots"),
        ({"objective.local.weight": -1}, "objective.local.weight: expected 0 or more, found -1"),
        ({"train.epochs": "many"}, 'train.epochs: expected a whole number, found "many"'),
        ({"run.slots": 2}, "run.slots: unknown key"),
    ],
)
def test_an_arm_that_sets_a_wrong_key_is_named(changes: dict[str, Any], said: str) -> None:
    assert refusal({"arms": ARMS | {"new": changes}}).startswith(f"FILE: ablation.arms.new.{said}")


def test_an_arm_whose_keys_are_right_alone_but_not_together_is_named() -> None:
    arms = {"wide": {"train.batch_size": 30, "train.accumulate": 31}}
    assert "FILE: ablation.arms.wide: train: accumulate 31 is more than" in refusal({"arms": arms}, train={"steps": 9})


def test_an_arm_that_does_not_fit_the_base_is_named() -> None:
    said = refusal({"arms": {"baseline": {}, "few": {"data.pairs": 10}}}, data={"shards": "x", "fraction": 0.5})
    assert said.startswith("FILE: ablation.arms.few.data.pairs: data: `pairs` and `fraction` both set")


def test_an_ablation_needs_an_arm() -> None:
    assert refusal({"arms": {}}).startswith("FILE: ablation.arms: is empty; expected at least one entry")
    assert "ablation.arms.baseline: expected keys with values ({} for none)" in refusal({"arms": {"baseline": None}})


def test_a_file_asks_one_question() -> None:
    space = {"train.seed": {"int": [0, 3]}}
    assert "`search` and `ablation` both set" in refusal({"arms": ARMS}, search={"space": space})


@pytest.mark.parametrize(
    "ablation", [{"arms": ARMS}, {"design": "one-at-a-time", "levels": {"train.clip": [2, 3]}}], ids=["arms", "levels"]
)
def test_an_experiment_can_be_written_down_and_read_again(ablation: dict[str, Any]) -> None:
    whole = parse_experiment({"experiment": "t", "data": {"shards": "x"}, "ablation": ablation}, "FILE")
    assert parse_experiment(whole.model_dump(mode="json"), "FILE") == whole


def test_replicates_until_decided_need_a_ceiling_and_nothing_else_that_counts_them() -> None:
    ablation = parse_experiment(
        {"experiment": "x", "data": {"shards": "s", "pairs": 9}}
        | {"ablation": {"arms": ARMS, "seeds": {"max": 12, "until": "decided", "init": 2}}},
        "FILE",
    ).ablation
    assert ablation is not None
    assert (ablation.seeds.most, ablation.seeds.init) == (12, 2)
    assert "`until: decided` expects the most replicates" in refusal({"arms": ARMS, "seeds": {"until": "decided"}})
    assert "only with `until: decided`" in refusal({"arms": ARMS, "seeds": {"max": 12}})
    twice = {"max": 12, "until": "decided", "subset": 3}
    assert "leave it out, max is the ceiling" in refusal({"arms": ARMS, "seeds": twice})
    assert "ablation.seeds.max: expected 3 or more" in refusal({"arms": ARMS, "seeds": {"max": 2, "until": "decided"}})


def test_an_experiment_that_adds_replicates_is_read_again_from_its_record() -> None:
    tree = {"experiment": "x", "data": {"shards": "s", "pairs": 9}}
    whole = parse_experiment(tree | {"ablation": {"arms": ARMS, "seeds": {"max": 12, "until": "decided"}}}, "FILE")
    assert parse_experiment(whole.model_dump(mode="json", exclude_none=True), "FILE") == whole
