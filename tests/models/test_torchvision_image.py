from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import ConvNeXt, VisionTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.feature_extraction import create_feature_extractor

from radsweep.config.model import ImageTower, Model
from radsweep.errors import InputError
from radsweep.models.backbone_checks import check_model
from radsweep.models.image import build_image_tower
from radsweep.models.torchvision_image import Classifier, VitTower, _load

Check = Callable[[torch.nn.Module, Tensor], None]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(-1, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)


def tower_of(backbone: str, **changes: Any) -> torch.nn.Module:
    return build_image_tower(
        ImageTower.model_validate({"backbone": backbone, "size": 64, "channels": 3, **changes})
    ).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def small_convnext() -> ConvNeXt:
    widths = (8, 16, 24, 32)
    return ConvNeXt([CNBlockConfig(a, b, 1) for a, b in zip(widths, [*widths[1:], None], strict=True)]).eval()


def small_vit(image_size: int = 64) -> VisionTransformer:
    return VisionTransformer(image_size, 16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=48).eval()


def test_weights_from_a_file_give_the_features_torchvision_gives(images: Tensor, tmp_path: Path) -> None:
    reference = torchvision.models.resnet18(weights=None).eval()
    save_file(reference.state_dict(), tmp_path / "resnet18-mine.safetensors")
    features = tower_of(str(tmp_path / "resnet18-mine.safetensors"), weights="pretrained")(images)
    outputs = create_feature_extractor(reference, {"layer3": "regions", "flatten": "pooled"})((images - MEAN) / STD)
    torch.testing.assert_close(features.pooled_BP, outputs["pooled"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        features.regions_BRC, outputs["regions"].flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5
    )


def test_features_of_a_convnext_are_its_third_stage_and_what_its_classifier_reads(images: Tensor) -> None:
    reference = small_convnext()
    wanted = {"features.5": "regions", "classifier.1": "pooled"}
    outputs = create_feature_extractor(reference, wanted)((images - MEAN) / STD)
    features = Classifier(reference, channels=3, size=64)(images)
    torch.testing.assert_close(features.pooled_BP, outputs["pooled"])
    torch.testing.assert_close(features.regions_BRC, outputs["regions"].flatten(2).transpose(1, 2))


@pytest.mark.parametrize("name", ["vit", "tiny-vit"])
def test_shown_all_patches_a_vit_gives_what_it_gives_for_the_image_and_reads_no_hidden_one(
    name: str, images: Tensor, shown_alone_is_read: Check
) -> None:
    tower = VitTower(small_vit(), channels=3) if name == "vit" else tower_of("tiny-vit")
    tower.body.encoder.pos_embedding.data.normal_()
    shown_alone_is_read(tower, images)


def test_features_of_a_vit_are_its_patches_and_what_its_classifier_reads(images: Tensor) -> None:
    reference = small_vit()
    with torch.no_grad():
        reference.heads.head.weight.normal_()  # zero at the start
    head, logits = reference.heads, reference((images - MEAN) / STD)
    features = VitTower(reference, channels=3)(images)
    torch.testing.assert_close(head(features.pooled_BP), logits)
    assert features.regions_BRC.shape == (2, 16, 32)


# Of a small model of each family: the layer that classifies, and the module whose map has a sixteenth of the side.
FAMILIES = {
    "alexnet": ("classifier.6", "features.11"),
    "convnext_tiny": ("classifier.2", "features.5"),
    "densenet121": ("classifier", "features.denseblock3"),
    "efficientnet_b0": ("classifier.1", "features.5"),
    "googlenet": ("fc", "inception4e"),
    "inception_v3": ("fc", "Mixed_6e"),
    "mnasnet0_5": ("classifier.1", "layers.11"),
    "mobilenet_v2": ("classifier.1", "features.13"),
    "mobilenet_v3_small": ("classifier.3", "features.8"),
    "regnet_x_400mf": ("fc", "trunk_output.block3"),
    "resnet18": ("fc", "layer3"),
    "shufflenet_v2_x0_5": ("fc", "stage3"),
    "swin_t": ("head", "features.5"),
    "vgg11": ("classifier.6", "features.19"),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_features_of_any_classifier_are_what_its_last_layer_reads_and_the_map_of_a_stage(
    name: str, tmp_path: Path
) -> None:
    classifier, stage = FAMILIES[name]
    made_here = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    reference = torchvision.models.get_model(name, weights=None, **made_here).eval()
    maps: list[Tensor] = []
    reference.get_submodule(stage).register_forward_hook(lambda _module, _inputs, output: maps.append(output.clone()))
    file, size = tmp_path / f"{name}-mine.safetensors", 128 if name == "inception_v3" else 64
    save_file(reference.state_dict(), file)
    tower = tower_of(str(file), weights="pretrained", size=size)
    if made_here:
        reference.transform_input = True  # as torchvision itself has it with weights
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    logits, features = reference((images - MEAN) / STD), tower(images)
    torch.testing.assert_close(reference.get_submodule(classifier)(features.pooled_BP), logits, rtol=1e-4, atol=1e-5)
    expected = maps[0].flatten(1, 2) if name.startswith("swin") else maps[0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(features.regions_BRC, expected, rtol=1e-4, atol=1e-5)
    assert (features.pooled_BP.shape[1], features.regions_BRC.shape[2]) == (tower.width, tower.region_width)


@pytest.mark.parametrize("name", ["maxvit_t", "squeezenet1_1", "swin_v2_t", "vit_b_32", "wide_resnet50_2"])
def test_further_classifiers_have_the_widths_that_they_announce(name: str) -> None:
    with torch.device("meta"):
        tower = tower_of(name, channels=1, size=224)
        features = tower(torch.rand(2, 1, 224, 224))
    assert (features.pooled_BP.shape[1], features.regions_BRC.shape[2]) == (tower.width, tower.region_width)
    assert features.regions_BRC.shape[1] == {"squeezenet1_1": 13, "vit_b_32": 7}.get(name, 14) ** 2


def test_images_that_a_classifier_cannot_take_are_refused_before_the_start() -> None:
    for name, size, message in (
        ("maxvit_t", 256, "not divisible by partition size"),
        ("inception_v3", 64, "Kernel size"),
    ):
        with pytest.raises(InputError, match=rf"model\.image\.size: {name} cannot take images of {size} .*{message}"):
            check_model(Model(image=ImageTower(backbone=name, size=size)))


def test_weights_of_a_densenet_as_torchvision_publishes_them_are_read(tmp_path: Path) -> None:
    reference = torchvision.models.densenet121(weights=None)
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", key): v for key, v in reference.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "densenet121-a639ec97.pth")
    tower = tower_of(str(tmp_path / "densenet121-a639ec97.pth"), weights="pretrained")
    weight = "features.denseblock1.denselayer1.conv2.weight"
    assert torch.equal(tower.body.get_parameter(weight), reference.get_parameter(weight))


def test_a_vit_takes_weights_of_another_image_size() -> None:
    larger, tower = small_vit(96), VitTower(small_vit(64), channels=3)
    _load(tower, larger.state_dict(), ImageTower(backbone="vit_b_16", size=64))
    assert tower.body.encoder.pos_embedding.shape == (1, 17, 32)
    assert torch.equal(tower.body.conv_proj.weight, larger.conv_proj.weight)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "resnet34-mine.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), file)
    with pytest.raises(InputError, match=r"model\.image\.backbone: the weights do not fit resnet34: .*[Mm]issing"):
        tower_of(str(file), weights="pretrained")


@pytest.mark.parametrize("content", [b"no weights at all", b""])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_broken_file_of_weights_is_named(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"resnet18-mine.{suffix}"
    file.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        tower_of(str(file), weights="pretrained")


class Payload:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemExit('code from a file of weights was run')",))


def test_code_in_a_file_of_weights_is_never_run(tmp_path: Path) -> None:
    file = tmp_path / "resnet18-mine.pth"
    torch.save({"fc.weight": Payload()}, file)
    with pytest.raises(InputError, match="cannot be read"):
        tower_of(str(file), weights="pretrained")


def test_imagenet_weights_come_from_torchvisions_cache(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    reference = torchvision.models.resnet18(weights=None).eval()
    torch.save(reference.state_dict(), folder / "resnet18-f37072fd.pth")
    tower = tower_of("resnet18", weights="imagenet")
    assert torch.equal(tower.body.layer4[0].conv1.weight, reference.layer4[0].conv1.weight)


def test_imagenet_weights_that_cannot_be_fetched_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(
        InputError, match=r"model\.image\.weights: resnet50-11ad3fa6\.pth cannot be fetched \(no network\)"
    ):
        tower_of("resnet50", weights="imagenet")
