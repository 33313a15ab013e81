from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.training import Train
from radsweep.config.trial import Trial
from radsweep.models.vlm import build_model
from radsweep.training.optimiser import build_optimiser


def learner(**values: Any) -> nn.Module:
    """As a trial trains it: a model, and heads of terms."""
    trial = trial_with(
        Trial(data=Data(shards="phantom:any")), {key.replace("__", "."): value for key, value in values.items()}
    )
    return nn.ModuleDict({"model": build_model(trial, 200), "heads": nn.ModuleDict({"image_ssl": nn.Linear(8, 4)})})


def grouped(module: nn.Module, **train: Any) -> dict[str, dict[str, Any]]:
    """{parameter: the settings of its group}; every trained parameter is in one group, and no other is."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    optimiser = build_optimiser(module, Train(**train))
    found = [
        (names[id(parameter)], {key: value for key, value in group.items() if key != "params"})
        for group in optimiser.param_groups
        for parameter in group["params"]
    ]
    assert len(found) == len(dict(found)) == sum(parameter.requires_grad for parameter in module.parameters())
    return dict(found)


def test_only_matrices_are_decayed() -> None:
    module = learner()
    for name, group in grouped(module, weight_decay=0.3).items():
        assert group["weight_decay"] == (0.3 if module.get_parameter(name).dim() >= 2 else 0.0), name
        assert group["scale"] == 1.0
        assert group["lr"] == Train().learning_rate


def test_without_layer_decay_there_are_two_groups_in_the_order_of_parameters() -> None:
    module = learner()
    matrices, vectors = build_optimiser(module, Train()).param_groups
    assert [id(p) for p in matrices["params"]] == [id(p) for p in module.parameters() if p.dim() >= 2]
    assert [id(p) for p in vectors["params"]] == [id(p) for p in module.parameters() if p.dim() < 2]


def test_each_layer_gets_its_part_of_the_next_ones_rate() -> None:
    groups = grouped(learner(), layer_decay=0.5, learning_rate=0.1)
    scales = {name: group["scale"] for name, group in groups.items()}
    bert = "model.text.encoder."
    assert scales[f"{bert}embeddings.word_embeddings.weight"] == 0.5**3
    assert scales[f"{bert}encoder.layer.0.attention.self.query.weight"] == 0.5**2
    assert scales[f"{bert}encoder.layer.1.output.LayerNorm.bias"] == 0.5
    assert scales["model.image.trunk.0.0.weight"] == 0.5**5
    assert scales["model.image.last.1.weight"] == 0.5
    outside = {name for name in scales if not name.startswith(("model.text.", "model.image."))}
    assert {"heads.image_ssl.weight", "model.logit_scale", "model.image_projection.weight"} <= outside
    assert {scales[name] for name in outside} == {1.0}
    assert all(group["lr"] == pytest.approx(0.1 * group["scale"]) for group in groups.values())


def test_frozen_parameters_are_left_out() -> None:
    names = set(grouped(learner(model__text__freeze=True), layer_decay=0.5))
    assert not any(name.startswith("model.text.") for name in names)
    adapters = {name for name in grouped(learner(model__text__lora=2)) if name.startswith("model.text.")}
    assert adapters
    assert all("lora_" in name for name in adapters)


def test_the_first_step_moves_each_layer_by_its_part() -> None:
    """Adam's first step is the learning rate in size, whatever the gradient."""
    module = learner()
    optimiser = build_optimiser(module, Train(layer_decay=0.5, learning_rate=0.01, weight_decay=0.0))
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for name, part in (
        ("model.image.trunk.3.0.weight", 0.25),
        ("model.image.last.0.weight", 0.5),
        ("model.logit_scale", 1),
    ):
        moved = before[name] - module.get_parameter(name)
        torch.testing.assert_close(moved, torch.full_like(moved, 0.01 * part), rtol=1e-3, atol=1e-6)
