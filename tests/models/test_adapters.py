from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from timm.models.swin_transformer_v2 import SwinTransformerV2
from torch import Tensor, nn
from torch.nn.utils.parametrize import remove_parametrizations
from torchvision.models import ConvNeXt, ResNet, VisionTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.model import ImageTower, Model, TextTower
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.models.adapters import add_adapters, freeze, freeze_batchnorm, train_top
from radsweep.models.backbone_checks import check_model
from radsweep.models.features import TowerModule
from radsweep.models.image import build_image_tower
from radsweep.models.text import build_text_tower
from radsweep.models.timm_image import TimmImage
from radsweep.models.torchvision_image import Classifier, VitTower
from radsweep.models.vlm import VisionLanguageModel, build_model
from radsweep.training.batchnorm import has_batch_statistics

IMAGES = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
IDS = torch.randint(5, 200, (3, 12), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(12) < torch.tensor([[12], [7], [3]])


def model(**values: Any) -> VisionLanguageModel:
    base = Trial(data=Data(shards="phantom:any"))
    return build_model(trial_with(base, {key.replace("__", "."): value for key, value in values.items()}), 200)


def small_resnet() -> Classifier:
    return Classifier(ResNet(BasicBlock, [1, 1, 1, 1]), channels=1, size=64)


def trained(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def plain_name(name: str) -> str:
    """Name of a parameter without its adapter."""
    return name.replace(".parametrizations", "").removesuffix(".original")


def copies(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_only_what_follows_a_frozen_tower_is_trained() -> None:
    built = model(model__text__freeze=True)
    assert not trained(built.text)
    assert trained(built.image) == {name for name, _ in built.image.named_parameters()}
    assert {"image_projection.weight", "text_projection.weight", "logit_scale"} <= trained(built)


def test_a_frozen_tower_drops_nothing_while_its_model_trains() -> None:
    built = model(model__text__freeze=True).train()
    assert built.training
    assert not any(module.training for module in built.text.modules())
    assert torch.equal(built.text(IDS, MASK).pooled_BP, built.text(IDS, MASK).pooled_BP)
    loose = model().train()
    assert not torch.equal(loose.text(IDS, MASK).pooled_BP, loose.text(IDS, MASK).pooled_BP)


def test_batch_statistics_of_a_frozen_tower_do_not_move() -> None:
    tower = small_resnet()
    freeze(tower)
    whole = nn.ModuleDict({"image": tower, "after": nn.Linear(512, 2)}).train()
    before = copies(tower)
    whole["after"](tower(IMAGES).pooled_BP).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())
    assert whole["after"].training
    small = small_resnet().train()
    before = copies(small)
    small(IMAGES)
    assert not torch.equal(small.body.bn1.running_mean, before["body.bn1.running_mean"])


def test_freezing_changes_no_number_of_the_start() -> None:
    plain, frozen = model(), model(model__text__freeze=True, model__image__freeze=True)
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in frozen.state_dict().items())


def test_only_the_top_layers_of_a_tower_are_trained() -> None:
    built = model(model__text__top_layers=1, model__image__top_layers=2).train()
    assert trained(built.text) == {name for name, _ in built.text.named_parameters() if ".layer.1." in name}
    tops = ("trunk.3.", "last.")
    assert trained(built.image) == {name for name, _ in built.image.named_parameters() if name.startswith(tops)}
    lower = built.text.encoder.embeddings, built.text.encoder.encoder.layer[0]
    assert not any(module.training for part in lower for module in part.modules())
    assert all(module.training for module in built.text.encoder.encoder.layer[1].modules())
    built.eval().train()
    assert not any(module.training for part in lower for module in part.modules())


def test_batch_statistics_below_the_top_layers_do_not_move() -> None:
    tower = small_resnet()
    train_top(tower, 1, "model.image.top_layers")
    tower.train()
    before = copies(tower)
    tower(IMAGES).pooled_BP.square().sum().backward()
    moved = {name for name, value in tower.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("body.layer4.0.") for name in moved)
    assert all(parameter.grad is None for name, parameter in tower.named_parameters() if "layer4" not in name)


@pytest.mark.parametrize("settings", [{"freeze": True}, {"lora": 4}], ids=str)
def test_two_ways_of_choosing_what_is_trained_exclude_one_another(settings: dict[str, Any]) -> None:
    for tower in (ImageTower, TextTower):
        with pytest.raises(ValidationError, match=r"`top_layers` and `(freeze|lora)` both set"):
            tower(top_layers=1, **settings)


def test_more_layers_than_a_tower_has_are_refused_before_the_start() -> None:
    for key, settings, layers in (
        ("image", Model(image=ImageTower(top_layers=6)), 5),
        ("image", Model(image=ImageTower(backbone="resnet18", top_layers=9)), 8),
        ("text", Model(text=TextTower(top_layers=3)), 2),
    ):
        with pytest.raises(
            InputError, match=rf"model\.{key}\.top_layers: .* has {layers} layers; set it to {layers} or"
        ):
            check_model(settings)
    check_model(Model(image=ImageTower(backbone="resnet18", top_layers=8), text=TextTower(top_layers=2)))


def test_frozen_batch_norm_keeps_its_statistics_and_its_parameters() -> None:
    tower = small_resnet()
    freeze_batchnorm(tower, "model.image.freeze_batchnorm")
    tower.train()
    assert not has_batch_statistics(tower)
    norms = {name for name, module in tower.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert {name.rpartition(".")[0] for name in tower.state_dict()} & norms == norms
    assert trained(tower) == {name for name, _ in tower.named_parameters() if name.rpartition(".")[0] not in norms}
    before = copies(tower)
    tower(IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())
    torch.testing.assert_close(tower(IMAGES[:1]).pooled_BP, tower(IMAGES).pooled_BP[:1])


def test_frozen_batch_norm_of_a_tower_without_any_is_refused() -> None:
    for backbone in ("tiny-cnn", "vit_b_16"):
        with pytest.raises(
            InputError, match=rf"model\.image\.freeze_batchnorm: {backbone} has no BatchNorm; leave it out"
        ):
            check_model(Model(image=ImageTower(backbone=backbone, freeze_batchnorm=True)))
    check_model(Model(image=ImageTower(backbone="resnet18", freeze_batchnorm=True)))


def bert() -> TowerModule:
    return build_text_tower(TextTower(), 200)


def convnext() -> TowerModule:
    widths = (8, 16, 24, 32)
    blocks = [CNBlockConfig(a, b, 1) for a, b in zip(widths, [*widths[1:], None], strict=True)]
    return Classifier(ConvNeXt(blocks, layer_scale=1.0), channels=1, size=64)


def vit() -> TowerModule:
    body = VisionTransformer(64, 16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=48)
    return VitTower(body, channels=1)


def timm_vit() -> TowerModule:
    return build_image_tower(ImageTower(backbone="timm:test_vit"))


def timm_swin() -> TowerModule:
    """It reads the weight of its queries, keys and values, and never calls the layer."""
    body = SwinTransformerV2(
        img_size=64, in_chans=1, embed_dim=16, depths=(1, 1), num_heads=(2, 2), window_size=4, num_classes=0
    )
    for parameter in body.parameters():  # its norms start at zero
        parameter.data += 0.1
    body.pretrained_cfg = {"mean": (0.5,), "std": (0.5,)}
    return TimmImage(body, channels=1)


@pytest.mark.parametrize("build", [bert, convnext, vit, timm_vit, timm_swin])
def test_adapters_start_at_zero_and_learn_by_themselves(build: Any) -> None:
    tower = build().eval().double()
    inputs = (IDS, MASK) if build is bert else (IMAGES.double(),)
    before, names = tower(*inputs).pooled_BP, {name for name, _ in tower.named_parameters()}
    add_adapters(tower, 4, "model.text.lora")
    torch.testing.assert_close(tower(*inputs).pooled_BP, before, rtol=1e-5, atol=1e-6)
    assert trained(tower) == {name for name, _ in tower.named_parameters() if "lora_" in name} != set()
    assert len(names) + len(trained(tower)) == len(list(tower.named_parameters()))
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    tower(*inputs).pooled_BP.square().sum().backward()
    assert [name for name in trained(tower) if not tower.get_parameter(name).grad.abs().sum() > 0] == []


def test_an_adapter_adds_the_product_of_two_small_matrices() -> None:
    tower = bert().eval()
    add_adapters(tower, 3, "model.text.lora")
    layer = tower.encoder.encoder.layer[0].attention.self.query
    adapter = layer.parametrizations.weight[0]
    assert (adapter.lora_A.shape, adapter.lora_B.shape) == ((3, 128), (128, 3))
    nn.init.normal_(adapter.lora_B)
    x = torch.randn(5, 128, generator=torch.Generator().manual_seed(0))
    weight = layer.parametrizations.weight.original + adapter.lora_B @ adapter.lora_A
    torch.testing.assert_close(layer(x), x @ weight.T + layer.bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("build", "matrices"), [(bert, 12), (vit, 8), (timm_vit, 24)])
def test_every_matrix_has_an_adapter_and_that_of_attention_too(build: Any, matrices: int) -> None:
    """A layer has queries, keys and values (one matrix in ViTs), their output, and the two of the perceptron."""
    tower = build()
    wide = {name for name, value in tower.named_parameters() if value.dim() == 2 and "embeddings" not in name}
    add_adapters(tower, 2, "model.text.lora")
    adapters = {name.removesuffix(".0.lora_A") for name in trained(tower) if name.endswith(".lora_A")}
    own = {plain_name(name) for name in adapters}
    assert own == wide
    assert len(own) == matrices


@pytest.mark.parametrize("build", [bert, vit, timm_vit, timm_swin])
def test_adapters_merged_into_their_matrices_give_the_same_features(build: Any) -> None:
    tower = build().eval().double()
    inputs = (IDS, MASK) if build is bert else (IMAGES.double(),)
    plain = build().double().state_dict()
    before = tower(*inputs).pooled_BP
    add_adapters(tower, 3, "model.text.lora")
    for name, parameter in tower.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    adapted = tower(*inputs).pooled_BP
    assert not torch.allclose(adapted, before)
    for module in list(tower.modules()):
        for name in list(getattr(module, "parametrizations", ())):
            remove_parametrizations(module, name, leave_parametrized=True)
    torch.testing.assert_close(tower(*inputs).pooled_BP, adapted)
    assert tower.state_dict().keys() == plain.keys()


def test_adapters_start_by_the_seed_and_change_no_other_start() -> None:
    plain, one = model(), model(model__text__lora=4)
    again, other = model(model__text__lora=4), model(model__text__lora=4, train__seed=1)
    first = {name: value for name, value in one.state_dict().items() if "lora_A" in name}
    assert first
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.items())
    assert not any(torch.equal(value, other.state_dict()[name]) for name, value in first.items())
    shared = {plain_name(name): value for name, value in one.state_dict().items() if "lora_" not in name}
    assert all(torch.equal(value, shared[name]) for name, value in plain.state_dict().items())


def test_a_state_dict_restores_adapters() -> None:
    one, two = model(model__text__lora=4).eval(), model(model__text__lora=4, train__seed=1).eval()
    for name, parameter in one.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    two.load_state_dict(one.state_dict())
    assert torch.equal(two.embed_texts(IDS, MASK).text_BD, one.embed_texts(IDS, MASK).text_BD)


@pytest.mark.parametrize("limits", [{}, {"model__text__freeze": True}, {"model__text__lora": 4}], ids=str)
def test_an_adapted_tower_is_loaded_before_it_is_frozen_or_gets_adapters(limits: dict[str, Any]) -> None:
    adapted = build_text_tower(TextTower(), 200).state_dict()
    trial = trial_with(
        Trial(data=Data(shards="phantom:any")), {key.replace("__", "."): value for key, value in limits.items()}
    )
    built = build_model(trial, 200, {"text": adapted})
    state = {plain_name(name): value for name, value in built.text.state_dict().items()}
    assert all(torch.equal(value, state[name]) for name, value in adapted.items())
    assert all(torch.equal(value, model().image.state_dict()[name]) for name, value in built.image.state_dict().items())


@pytest.mark.parametrize("backbone", ["tiny-cnn", "resnet50", "wide_resnet50_2"])
def test_a_tower_without_linear_layers_takes_no_adapters(backbone: str) -> None:
    message = rf"model\.image\.lora: {backbone} has no linear layers .*; choose a ViT, or set it to 0"
    with pytest.raises(InputError, match=message):
        check_model(Model(image=ImageTower(backbone=backbone, lora=8)))
    with pytest.raises(InputError, match=r"model\.image\.lora: .* no linear layers"):
        add_adapters(small_resnet(), 8, "model.image.lora")
    check_model(Model(image=ImageTower(backbone="convnext_tiny", lora=8)))
