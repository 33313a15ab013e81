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
from radsweep.training.optimiser import _UNDECAYED, build_optimiser


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
        decayed = module.get_parameter(name).dim() >= 2 and "position_embeddings" not in name
        assert group["weight_decay"] == (0.3 if decayed else 0.0), name
        assert group["scale"] == 1.0
        assert group["lr"] == Train().learning_rate


def test_without_layer_decay_there_are_two_groups_in_the_order_of_parameters() -> None:
    module = learner()
    matrices, vectors = build_optimiser(module, Train()).param_groups
    spared = {id(p) for name, p in module.named_parameters() if p.dim() < 2 or "position_embeddings" in name}
    assert [id(p) for p in matrices["params"]] == [id(p) for p in module.parameters() if id(p) not in spared]
    assert [id(p) for p in vectors["params"]] == [id(p) for p in module.parameters() if id(p) in spared]


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


def test_parts_of_the_model_get_their_own_rates() -> None:
    rates = {"image": 0.1, "text": 0.2, "heads": 3.0, "temperature": 0.0}
    module = learner(objective__contrast__kind="sigmoid")
    groups = grouped(module, learning_rates=rates, learning_rate=0.5)
    for name, group in groups.items():
        part = next((part for part in ("image", "text") if name.startswith(f"model.{part}.")), "heads")
        part = "temperature" if name.startswith("model.logit_") else part
        assert group["scale"] == rates[part], name
        assert group["lr"] == pytest.approx(0.5 * rates[part])
    assert {"model.logit_scale", "model.logit_bias", "heads.image_ssl.weight", "model.text_projection.weight"} <= set(
        groups
    )


def test_parts_and_depths_multiply() -> None:
    groups = grouped(learner(), learning_rates={"text": 0.2}, layer_decay=0.5)
    assert groups["model.text.encoder.encoder.layer.0.attention.self.query.weight"]["scale"] == 0.2 * 0.5**2
    assert groups["model.image.last.1.weight"]["scale"] == 0.5


def test_a_temperature_of_rate_zero_stays_where_it_starts() -> None:
    module = learner()
    optimiser = build_optimiser(module, Train(learning_rates={"temperature": 0}, weight_decay=0.1))
    start = module["model"].logit_scale.item()
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    assert module["model"].logit_scale.item() == start


# Without a classifier: class tokens and their like, learned positions, and vectors kept in more dimensions.
UNDECAYED = {
    "torchvision": ({"model.image.backbone": "vit_b_32", "model.image.size": 32}, {"class_token", "pos_embedding"}),
    "torchvision, positions of pairs": (
        {"model.image.backbone": "swin_t", "model.image.size": 32},
        {"relative_position_bias_table"},
    ),
    "torchvision, scales of layers": (
        {"model.image.backbone": "convnext_tiny", "model.image.size": 32},
        {"layer_scale"},
    ),
    "timm": ({"model.image.backbone": "timm:test_vit", "model.image.size": 32}, {"cls_token", "pos_embed"}),
    "timm, registers": ({"model.image.backbone": "timm:test_vit3", "model.image.size": 32}, {"pos_embed"}),
    "transformers, text": ({}, {"position_embeddings.weight"}),
}


@pytest.mark.parametrize(("values", "names"), UNDECAYED.values(), ids=UNDECAYED)
def test_class_tokens_and_positions_are_not_decayed(values: dict[str, Any], names: set[str]) -> None:
    module = learner(**{key.replace(".", "__"): value for key, value in values.items()})
    groups = grouped(module, weight_decay=0.3)
    of_matrices = {name for name in groups if module.get_parameter(name).dim() >= 2}
    spared = {name for name in of_matrices if groups[name]["weight_decay"] == 0}
    assert {wanted for wanted in names if any(name.endswith(wanted) for name in spared)} == names
    known = ("_token", ".latent", "layer_scale", "relative_position_bias_table")
    others = {name for name in spared if "pos" not in name and not name.endswith(known)}
    assert others == set()
    assert len(spared) < len(of_matrices) / 2
    body = getattr(module["model"].image, "body", None)
    if hasattr(body, "no_weight_decay"):
        assert {f"model.image.body.{name}" for name in body.no_weight_decay()} & set(groups) <= {
            name for name, group in groups.items() if group["weight_decay"] == 0
        }


@pytest.mark.parametrize(
    "name",
    [
        *("embeddings.cls_token", "embeddings.position_embeddings", "embeddings.position_embedding.weight"),
        *("embeddings.class_embedding", "embeddings.distillation_token", "embeddings.register_tokens"),
        *("embeddings.mask_token", "encoder.relative_attention_bias.weight"),
    ],
)
def test_names_that_transformers_give_to_tokens_and_positions_are_known(name: str) -> None:
    assert _UNDECAYED.fullmatch(name.partition(".")[2])


@pytest.mark.parametrize(
    "name", ["pos_proj.weight", "token_type_embeddings.weight", "tokens_proj.weight", "embed.weight"]
)
def test_other_matrices_are_decayed(name: str) -> None:
    assert not _UNDECAYED.fullmatch(name)


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
