"""A setting that a design would ignore is refused, with the key to leave out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from radsweep.config.experiment import Experiment
from radsweep.config.load import load_base, load_experiment, parse_experiment
from radsweep.errors import InputError

ARMS: dict[str, dict[str, Any]] = {"baseline": {}, "local": {"objective.local.weight": 1.0}}
SIZED = {"arms": ARMS, "pairs": [100, 300]}
RATE = {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}
WEIGHT = {"objective.local.weight": {"uniform": [0.1, 1]}}


def parsed(**parts: Any) -> Experiment:
    return parse_experiment({"experiment": "t", "data": {"shards": "x"}} | parts, "mine.yaml")


def refusal(**parts: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        parsed(**parts)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("key", "value"), [("pairs", 77), ("fraction", 0.5)])
def test_a_size_beside_the_sizes_of_an_ablation(key: str, value: float) -> None:
    assert refusal(data={"shards": "x", key: value}, ablation=SIZED) == [
        f"mine.yaml: data.{key}: ignored, because ablation.pairs sets the sizes. Leave out one of them."
    ]
    assert parsed(data={"shards": "x", key: value}, ablation={"arms": ARMS}).ablation is not None


@pytest.mark.parametrize("key", ["data.pairs", "data.fraction"])
def test_a_size_of_an_arm_beside_the_sizes_of_its_ablation(key: str) -> None:
    arms, levels = {"baseline": {}, "all": {key: 1 if key == "data.fraction" else 50}}, {key: [0.5, 1]}
    replaced = "replaces the sizes of ablation.pairs. Leave out one of them."
    assert refusal(ablation={"arms": arms, "pairs": [100]}) == [f"mine.yaml: ablation.arms.all.{key}: {replaced}"]
    one = {"design": "one-at-a-time", "levels": levels, "pairs": [100]}
    assert refusal(ablation=one) == [f"mine.yaml: ablation.levels.{key}: {replaced}"]
    assert parsed(ablation={"arms": arms}).ablation is not None


@pytest.mark.parametrize(
    ("key", "seeds", "fits"),
    [
        ("data.seed", 2, False),
        ("data.seed", {"init": 2}, True),  # all replicates have one subset anyway
        ("train.seed", 2, False),
        ("train.seed", {"init": 2}, False),
        ("train.seed", 1, True),
    ],
)
def test_a_seed_of_an_arm_would_make_its_replicates_copies(key: str, seeds: Any, fits: bool) -> None:
    ablation = {"arms": {"baseline": {}, "other": {key: 7}}, "seeds": seeds}
    if fits:
        assert parsed(ablation=ablation).ablation is not None
        return
    assert refusal(ablation=ablation) == [
        f"mine.yaml: ablation.arms.other.{key}: replaces the seeds of ablation.seeds. Leave out one of them."
    ]


@pytest.mark.parametrize("key", ["data.seed", "train.seed"])
def test_what_tuning_chose_runs_on_fresh_seeds(key: str) -> None:
    arms = {"baseline": {}, "other": {key: 7}}
    (line,) = refusal(ablation={"arms": arms, "tune": {"trials": 2, "space": RATE}})
    assert line.startswith(f"mine.yaml: ablation.arms.other.{key}: replaces the fresh seeds")


def test_the_seeds_of_the_base_are_where_those_of_an_ablation_start() -> None:
    assert parsed(data={"shards": "x", "seed": 4}, train={"seed": 7}, ablation=SIZED | {"seeds": 3}).data.seed == 4


def test_what_every_arm_is_tuned_in_cannot_be_what_one_is_made_of() -> None:
    tune: dict[str, Any] = {"trials": 2, "space": RATE | WEIGHT}
    assert refusal(ablation={"arms": ARMS, "tune": tune}) == [
        "mine.yaml: ablation.tune.space.objective.local.weight: replaces the value that arm local has. Leave it out, "
        "or tune it in ablation.tune.per_arm.local."
    ]
    levels = {"design": "one-at-a-time", "levels": {"objective.local.weight": [0, 1]}, "tune": tune}
    assert "arm objective.local.weight=1 has" in refusal(ablation=levels)[0]
    assert parsed(ablation={"arms": ARMS, "tune": {"trials": 2, "space": RATE, "per_arm": {"local": WEIGHT}}}).ablation
    assert parsed(ablation={"arms": ARMS, "tune": tune | {"per_arm": {"local": WEIGHT}}}).ablation
    conditional = {"objective.local.weight": {"uniform": [0, 1], "only_if": "objective.contrast.kind == sigmoid"}}
    assert parsed(ablation={"arms": ARMS, "tune": {"trials": 2, "space": RATE | conditional}}).ablation


def test_a_searched_key_may_be_in_the_base_and_a_fraction_not_beside_rungs_of_pairs() -> None:
    search: dict[str, Any] = {"space": RATE, "scheduler": "asha", "fidelity": "pairs"}
    assert parsed(train={"learning_rate": 1e-3}, data={"shards": "x", "pairs": 300}, search=search).search is not None
    fraction = {"shards": "x", "fraction": 0.5}
    assert refusal(data=fraction, search=search) == [
        "mine.yaml: data.fraction: the rungs of search.fidelity pairs are numbers of studies. Set data.pairs instead."
    ]
    assert parsed(data=fraction, search=search | {"fidelity": "epochs"}).search is not None


QUICKSTART = Path(__file__).parents[2] / "search_spaces" / "quickstart.yaml"


def test_set_is_refused_as_the_file_is_and_a_single_trial_takes_its_own_size() -> None:
    with pytest.raises(InputError, match=r"quickstart\.yaml: data\.pairs: ignored, because ablation\.pairs sets"):
        load_experiment(QUICKSTART, ["data.pairs=77"])
    base = load_base(QUICKSTART, ["data.pairs=77"])
    assert (base.data.pairs, base.ablation, base.search) == (77, None, None)
    assert base.trial() == load_experiment(QUICKSTART, ["ablation.pairs=[]", "data.pairs=77"]).trial()


def test_a_single_trial_takes_no_change_of_a_design() -> None:
    with pytest.raises(InputError, match=r"^--set ablation\.pairs: there is no search or ablation in a single trial"):
        load_base(QUICKSTART, ["train.epochs=3", "ablation.pairs=[5]"])
