"""Techniques that are on and do nothing, and keys of arms that nothing reads, are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from radsweep.config import keys
from radsweep.config.data import Data
from radsweep.config.ineffective import ineffective, without_effect
from radsweep.config.trees import trial_with
from radsweep.config.trial import Trial

BASE = Trial(data=Data(shards="any"))
STILL_SSL = {f"augment.ssl.{name}": 0 for name in ("affine", "brightness", "contrast", "blur", "noise")}
STILL_SSL["augment.ssl.crop"] = [1.0, 1.0]  # type: ignore[assignment]
FROZEN = {"model.image.freeze": True, "model.text.freeze": True}


def problems(changes: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in ineffective(trial_with(BASE, changes))]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective.views.text": 2}, "objective.views.text: the 2 views of a report would read the same"),
        (
            {"objective.views.text": 3, "augment.text.sentences": "sample", "augment.text.keep": 1},
            "objective.views.text: the 3 views of a report would read the same",
        ),
        (
            {"objective.text_ssl.weight": 1, "model.text.freeze": True},
            "objective.text_ssl.weight: model.text.freeze keeps the text tower as it starts",
        ),
        (
            {"objective.image_ssl.weight": 1, "model.image.freeze": True},
            "objective.image_ssl.weight: model.image.freeze keeps the image tower as it starts",
        ),
        (STILL_SSL | {"objective.image_ssl.weight": 1}, "objective.image_ssl.weight: augment.ssl changes nothing"),
        (STILL_SSL | {"adapt.image.method": "simclr"}, "adapt.image.method: augment.ssl changes nothing"),
        (FROZEN | {"train.layer_decay": 0.8}, "train.layer_decay: both towers are frozen"),
        (FROZEN | {"train.learning_rates.image": 0.1}, "train.learning_rates.image: model.image.freeze: nothing"),
        (FROZEN | {"train.learning_rates.text": 2.0}, "train.learning_rates.text: model.text.freeze: nothing"),
        (FROZEN | {"model.image.freeze_batchnorm": True}, "model.image.freeze_batchnorm: model.image.freeze keeps"),
        (
            {"objective.local.weight": 1, "objective.contrast.weight": 0, "train.learning_rates.temperature": 0},
            "train.learning_rates.temperature: the objective (local) does not scale similarities",
        ),
    ],
)
def test_a_technique_that_does_nothing_is_refused_with_the_reason(changes: dict[str, Any], said: str) -> None:
    (problem,) = problems(changes)
    assert problem.startswith(said)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objective.views.text": 2, "augment.text.sentences": "shuffle"},
        {"objective.views.text": 2, "augment.text.synonyms": 0.1},
        {"objective.text_ssl.weight": 1, "model.text.lora": 4},
        {"objective.text_ssl.weight": 1, "model.image.freeze": True},
        STILL_SSL | {"adapt.image.method": "mae"},
        {"train.layer_decay": 0.8, "model.text.freeze": True},
        {"train.learning_rates.image": 0.1, "model.text.freeze": True, "train.learning_rates.temperature": 0},
        {"model.image.freeze_batchnorm": True, "model.image.top_layers": 1},
        {"adapt.image.method": "simclr", "model.image.freeze": True},  # adapted, then frozen
    ],
    ids=str,
)
def test_a_technique_that_does_something_passes(changes: dict[str, Any]) -> None:
    assert problems(changes) == []


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({}, "objective.local.attention", "objective.local.weight is 0"),
        ({}, "objective.neighbours.bank", "objective.neighbours.weight is 0"),
        ({"objective.text_ssl.weight": 1}, "objective.text_ssl.temperature", "objective.text_ssl.kind is mlm"),
        (
            {"objective.text_ssl.weight": 1, "objective.text_ssl.kind": "simcse"},
            "objective.text_ssl.mask",
            "objective.text_ssl.kind is simcse",
        ),
        (
            {"objective.image_ssl.weight": 1, "objective.image_ssl.kind": "simsiam"},
            "objective.image_ssl.temperature",
            "objective.image_ssl.kind is simsiam",
        ),
        ({}, "adapt.image.data", "adapt.image.method is none"),
        ({"adapt.image.method": "simclr"}, "adapt.image.mask", "adapt.image.method is simclr"),
        ({"adapt.image.method": "mae"}, "adapt.image.temperature", "adapt.image.method is mae"),
        ({"adapt.text.method": "mlm", "adapt.text.steps": 9}, "adapt.text.epochs", "adapt.text.steps is set"),
        ({}, "augment.text.keep", "augment.text.sentences is all"),
        ({}, "augment.ssl.blur", "objective.image_ssl.weight is 0 and adapt.image.method is none"),
        ({"adapt.image.method": "mae"}, "augment.ssl.blur", "objective.image_ssl.weight is 0"),
        ({}, "train.epochs", "train.until is plateau"),
        ({"train.until": "steps"}, "train.max_steps", "train.until is steps"),
        (
            {"model.text": {"backbone": "some/model", "weights": "pretrained"}},
            "model.text.vocabulary",
            "the tokenizer of the pretrained text tower is used",
        ),
    ],
)
def test_a_key_that_nothing_reads_says_why(changes: dict[str, Any], key: str, reason: str) -> None:
    assert without_effect(trial_with(BASE, changes))[key].startswith(reason)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"objective.local.weight": 1}, "objective.local.attention"),
        ({"adapt.image.method": "simclr"}, "augment.ssl.blur"),
        ({"adapt.image.method": "mae"}, "augment.ssl.crop"),
        ({"adapt.image.method": "mae"}, "adapt.image.mask"),
        ({"augment.text.sentences": "sample"}, "augment.text.keep"),
        ({"train.until": "epochs"}, "train.epochs"),
        ({}, "train.max_epochs"),
        ({}, "objective.local.weight"),
        ({}, "adapt.image.method"),
    ],
)
def test_a_key_that_something_reads_is_not_named(changes: dict[str, Any], key: str) -> None:
    assert key not in without_effect(trial_with(BASE, changes))


def test_every_key_that_nothing_reads_is_a_key() -> None:
    assert without_effect(BASE).keys() <= set(keys.leaf_keys(Trial))
