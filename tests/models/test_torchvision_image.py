from __future__ import annotations

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

from radsweep.config.model import ImageTower
from radsweep.config.paths import TORCHVISION
from radsweep.errors import InputError
from radsweep.models.image import build_image_tower
from radsweep.models.torchvision_image import ConvNextTower, VitTower, _load

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
    features = ConvNextTower(reference, channels=3)(images)
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


@pytest.mark.parametrize("name", TORCHVISION)
def test_widths_and_regions_are_those_announced(name: str) -> None:
    side = 56 if name == "vit_h_14" else 64
    with torch.device("meta"):
        tower = tower_of(name, channels=1, size=side)
        features = tower(torch.rand(2, 1, side, side))
    assert features.pooled_BP.shape == (2, tower.width)
    assert features.regions_BRC.shape == (2, 4 if name.endswith("_32") and "vit" in name else 16, tower.region_width)


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
