from __future__ import annotations

from radsweep.config.keys import flat, get, leaf_keys, with_values
from radsweep.config.load import parse_experiment
from radsweep.config.trial import Trial

TRIAL = parse_experiment({"experiment": "t", "data": {"shards": "x", "pairs": 9}}, "t").trial()


def test_flattened_settings_hold_every_key_of_a_trial_defaults_included() -> None:
    values = flat(TRIAL.model_dump(mode="json"))
    assert list(values) == list(leaf_keys(Trial))
    assert values["data.pairs"] == 9
    assert values["data.fraction"] is None
    assert values["model.pretrained"] is None
    assert values["augment.image.crop"] == [0.6, 1.0]
    assert not any(isinstance(value, dict) for value in values.values())


def test_values_set_one_by_one_make_the_same_trial() -> None:
    assert Trial.model_validate(with_values({}, flat(TRIAL.model_dump(mode="json")))) == TRIAL


def test_setting_values_leaves_the_original_alone_and_the_rest_as_it_was() -> None:
    tree = {"a": {"b": 1, "c": [1]}, "d": 2}
    changed = with_values(tree, {"a.b": 5, "e.f.g": 6, "d.h": 7})
    assert tree == {"a": {"b": 1, "c": [1]}, "d": 2}
    assert changed == {"a": {"b": 5, "c": [1]}, "e": {"f": {"g": 6}}, "d": {"h": 7}}


def test_a_value_is_read_at_its_dotted_key() -> None:
    tree = {"a": {"b": {"c": 3}}}
    assert get(tree, "a.b.c") == 3
    assert get(tree, "a.x.c") is None
    assert get(tree, "a.b.c.d") is None
