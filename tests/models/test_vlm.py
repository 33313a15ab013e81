from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.models.vlm import VisionLanguageModel, build_model


def trial(**values: Any) -> Trial:
    return trial_with(
        Trial(data=Data(shards="phantom:any")), {key.replace("__", "."): value for key, value in values.items()}
    )


def model(**values: Any) -> VisionLanguageModel:
    return build_model(trial(**values), vocabulary=200).eval()


def differing(left: nn.Module, right: nn.Module) -> set[str]:
    """Names of the parameters that both have and that are not equal."""
    others = right.state_dict()
    return {
        name for name, value in left.state_dict().items() if name in others and not torch.equal(value, others[name])
    }


IMAGES = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
IDS = torch.randint(5, 200, (3, 12), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(12) < torch.tensor([[12], [7], [3]])


def test_embeddings_have_unit_length_in_the_dimensions_asked_for() -> None:
    built = model(model__dim=48)
    image, text = built.embed_images(IMAGES), built.embed_texts(IDS, MASK)
    for embedding in (image.image_BD, text.text_BD):
        assert embedding.shape == (3, 48)
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))
    assert image.regions_BRD is None
    assert text.tokens_BLD is None


def test_a_local_term_projects_regions_and_tokens() -> None:
    built = model(objective__local__weight=0.5)
    assert built.embed_images(IMAGES).regions_BRD.shape == (3, 64, 128)
    assert built.embed_texts(IDS, MASK).tokens_BLD.shape == (3, 12, 128)


def test_a_local_term_of_weight_0_allocates_nothing_and_its_presence_changes_no_other_start() -> None:
    plain, local = model(), model(objective__local__weight=0.5)
    assert set(local.state_dict()) - set(plain.state_dict()) == {"region_projection.weight", "token_projection.weight"}
    assert not differing(plain, local)


def test_the_start_depends_on_the_seed_and_not_on_what_ran_before() -> None:
    first = model()
    torch.rand(100)
    assert not differing(first, model())
    fixed = {name for name in differing(first, model(train__seed=1)) if "LayerNorm" in name or "norm" in name}
    assert not fixed
    assert {"image.trunk.0.0.weight", "image_projection.weight", "text_projection.weight"} <= differing(
        first, model(train__seed=1)
    )


def test_building_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    model(objective__local__weight=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_tower_starts_alike_whatever_the_other_is() -> None:
    plain = model()
    assert differing(plain.image, model(model__text__max_tokens=64).image) == set()
    other_image = model(model__image__backbone="resnet18")
    assert differing(plain.text, other_image.text) == set()
    assert torch.equal(plain.text_projection.weight, other_image.text_projection.weight)


def test_the_two_projections_start_differently() -> None:
    built = model(objective__local__weight=1)
    assert not torch.equal(built.image_projection.weight[:, :128], built.text_projection.weight)
    assert not torch.equal(built.region_projection.weight, built.token_projection.weight)


@pytest.mark.parametrize(("kind", "scale", "bias"), [("infonce", 1 / 0.07, None), ("sigmoid", 10, -10)])
def test_scale_and_bias_start_as_their_loss_was_published(kind: str, scale: float, bias: float | None) -> None:
    built = model(objective__contrast__kind=kind)
    assert built.logit_scale.exp().item() == pytest.approx(scale, rel=1e-6)
    assert (built.logit_bias is None) if bias is None else built.logit_bias.item() == bias


@pytest.mark.parametrize(("value", "clamped"), [(-1.0, 0.0), (2.0, 2.0), (9.0, math.log(100))])
def test_the_logit_scale_is_clamped(value: float, clamped: float) -> None:
    built = model()
    nn.init.constant_(built.logit_scale, value)
    built.clamp_logit_scale()
    assert built.logit_scale.item() == pytest.approx(clamped, rel=1e-6)


def test_every_parameter_gets_a_gradient() -> None:
    built = model(objective__local__weight=1, objective__contrast__kind="sigmoid").train()
    image, text = built.embed_images(IMAGES), built.embed_texts(IDS, MASK)
    logits = built.logit_scale.exp() * image.image_BD @ text.text_BD.T + built.logit_bias
    (logits.diag().sum() + image.regions_BRD.square().sum() + text.tokens_BLD.square().sum()).backward()
    assert [name for name, parameter in built.named_parameters() if parameter.grad is None] == []


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(InputError, match=r"model\.image\.backbone: .*did you mean resnet18"):
        model(model__image__backbone="resnet81")
