"""Towers of timm against timm itself."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from torch import Tensor, nn

from radsweep.config.model import ImageTower, Model
from radsweep.errors import InputError
from radsweep.models import hub
from radsweep.models.backbone_checks import check_model, check_vit
from radsweep.models.features import ImageTowerModule, PatchTower
from radsweep.models.image import build_image_tower, check_by_building
from radsweep.models.probing import outputs_without_values
from radsweep.models.timm_source import check_timm_weights

LITE = Path(__file__).resolve().parents[3] / "shared/weights/tf_efficientnet_lite0"
CNN, VIT, HYBRID = "test_efficientnet", "test_vit", "test_coatnet"
# The part of the last fine stage, by timm's own listing of each model's features.
KINDS = {CNN: 32, VIT: 160, HYBRID: 160, "test_resnet": 64, "test_maxvit": 160, "test_convnext": 32, "test_byobnet": 64}
Save = Callable[[str], Path]
Check = Callable[[PatchTower, Tensor], None]


def tower_of(backbone: str, **changes: Any) -> ImageTowerModule:
    return build_image_tower(ImageTower.model_validate({"backbone": backbone, "size": 64, "channels": 3, **changes}))


def images(size: int, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def noisy(model: nn.Module) -> nn.Module:
    """All weights and running statistics away from their constant starts."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value += (
                0.1 * torch.rand(value.shape, generator=generator) * (1 if "running_var" in name else value.std() + 0.1)
            )
    return model


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Save:
    """saved(name): a folder in timm's layout, with a classifier of 5 classes."""
    folders: dict[str, Path] = {}

    def save(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            with torch.random.fork_rng(devices=[]):
                torch.random.default_generator.manual_seed(0)
                model = noisy(timm.create_model(name, num_classes=5))
            config = {"num_classes": 5, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
            model.pretrained_cfg |= config
            save_for_hf(model, folders[name], safe_serialization=True)
        return folders[name]

    return save


@pytest.mark.parametrize(("name", "size"), KINDS.items())
def test_features_of_a_folder_are_those_that_timm_gives(name: str, size: int, saved: Save) -> None:
    reference = timm.create_model(f"local-dir:{saved(name)}", pretrained=True).eval()
    tower = tower_of(f"timm:{saved(name)}", weights="pretrained", size=size).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
    pixels = (images(size) - mean) / std
    features = tower(images(size))
    if hasattr(reference, "set_input_size"):
        reference.set_input_size(size)
    last = reference.forward_features(pixels)
    torch.testing.assert_close(features.pooled_BP, reference.forward_head(last, pre_logits=True), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(reference.get_classifier()(features.pooled_BP), reference(pixels), rtol=1e-4, atol=1e-4)
    assert features.pooled_BP.shape[1] == tower.width == reference.head_hidden_size
    stages = [stage for stage in reference.feature_info if stage["reduction"] <= 16]
    side = size // stages[-1]["reduction"]
    assert features.regions_BRC.shape == (2, side**2, tower.region_width)
    number = len(stages) - 1
    *_, maps = reference.forward_intermediates(pixels, indices=[number], norm=True)
    torch.testing.assert_close(features.regions_BRC, maps[0].flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "width", "regions", "region_width"),
    [
        ("swin_tiny_patch4_window7_224", 768, 14 * 14, 384),  # channels last
        ("hiera_tiny_224", 768, 14 * 14, 384),  # asked for one stage, it would stop there
        ("convnextv2_atto", 320, 14 * 14, 160),
        ("mobilenetv3_small_050", 1024, 14 * 14, 24),  # a layer between pooling and classifier
        ("vit_tiny_patch16_224", 192, 14 * 14, 192),
        ("volo_d1_224", 384, 14 * 14, 384),  # a class token that it does not count
    ],
)
def test_other_families_give_their_features_in_the_same_form(
    name: str, width: int, regions: int, region_width: int
) -> None:
    settings = ImageTower(backbone=f"timm:{name}", size=224)
    tower = check_by_building(settings)
    assert (tower.width, tower.region_width) == (width, region_width)
    assert outputs_without_values(tower, 1, 224).regions_BRC.shape == (2, regions, region_width)


def test_a_cnn_a_vit_and_a_hybrid_learn_in_every_part(saved: Save) -> None:
    for name in (CNN, VIT, HYBRID):
        tower = tower_of(f"timm:{saved(name)}", weights="pretrained", channels=1).train()
        features = tower(images(64, 1))
        (features.pooled_BP.square().sum() + features.regions_BRC.square().sum()).backward()
        still = {name for name, parameter in tower.named_parameters() if not parameter.grad.abs().sum() > 0}
        assert {name for name in still if not name.endswith("bias")} == set()  # of keys: softmax takes no notice of it


@pytest.mark.parametrize("name", [CNN, VIT, HYBRID])
def test_a_grey_tower_sees_what_the_colour_one_sees_of_a_grey_image(name: str, saved: Save, tmp_path: Path) -> None:
    """Exact where mean and deviation are the same for all colours; else theirs are averaged."""
    file = tmp_path / f"{name}-mine.safetensors"
    save_file(load_file(saved(name) / "model.safetensors"), file)
    one, three = (tower_of(f"timm:{file}", weights="pretrained", channels=channels).eval() for channels in (1, 3))
    for tower in (one, three):
        tower.pixels.mean_C11.fill_(0.5)
        tower.pixels.std_C11.fill_(0.25)
    grey = images(64, 1)
    one, three = one(grey), three(grey.expand(-1, 3, -1, -1))
    for found, expected in zip(one, three, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.detach().abs().max()))


def test_a_model_is_normalised_by_its_own_configuration(saved: Save) -> None:
    tower = tower_of(f"timm:{saved(CNN)}", weights="pretrained")
    assert tower.pixels.mean_C11.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
    grey = tower_of(f"timm:{saved(CNN)}", weights="pretrained", channels=1)
    assert (grey.pixels.mean_C11.item(), grey.pixels.std_C11.item()) == pytest.approx((0.5, 0.3))


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_of_weights_names_its_architecture(suffix: str, saved: Save, tmp_path: Path) -> None:
    state, file = load_file(saved(CNN) / "model.safetensors"), tmp_path / f"{CNN}-mine.{suffix}"
    save_file(state, file) if suffix == "safetensors" else torch.save(state, file)
    tower = tower_of(f"timm:{file}", weights="pretrained")
    assert torch.equal(tower.body.conv_stem.weight, state["conv_stem.weight"])
    headless = {name: value for name, value in state.items() if not name.startswith("classifier.")}
    save_file(headless, tmp_path / f"{CNN}-headless.safetensors")
    tower_of(f"timm:{tmp_path}/{CNN}-headless.safetensors", weights="pretrained")


def test_weights_that_lack_a_part_are_refused(saved: Save, tmp_path: Path) -> None:
    state = load_file(saved(CNN) / "model.safetensors")
    state.pop("blocks.0.0.conv.weight")
    save_file(state, tmp_path / f"{CNN}-mine.safetensors")
    with pytest.raises(
        InputError, match=rf"model\.image\.backbone: the weights do not fit {CNN}: .*blocks\.0\.0\.conv"
    ):
        tower_of(f"timm:{tmp_path}/{CNN}-mine.safetensors", weights="pretrained")
    other = tmp_path / "test_resnet-mine.safetensors"
    save_file(load_file(saved(CNN) / "model.safetensors"), other)
    with pytest.raises(InputError, match="the weights do not fit test_resnet"):
        tower_of(f"timm:{other}", weights="pretrained")


def test_a_vit_takes_another_size_with_its_positions_resampled_by_timm(saved: Save) -> None:
    tower = tower_of(f"timm:{saved(VIT)}", weights="pretrained", size=96)
    reference = timm.create_model(f"local-dir:{saved(VIT)}", pretrained=True)
    native = reference.pos_embed
    reference.set_input_size(96)
    assert native.shape != reference.pos_embed.shape
    torch.testing.assert_close(tower.body.pos_embed, reference.pos_embed)


def test_sizes_that_a_model_cannot_take_are_refused_before_the_start() -> None:
    with pytest.raises(
        InputError, match=r"model\.image\.size: timm:maxvit_nano_rw_256 cannot take images of 100 pixels"
    ):
        check_model(Model(image=ImageTower(backbone="timm:maxvit_nano_rw_256", size=100)))
    message = r"model\.image\.size: timm:mixer_s32_224 was made for images of 224 pixels, .*; set it to 224"
    with pytest.raises(InputError, match=message):
        check_model(Model(image=ImageTower(backbone="timm:mixer_s32_224", size=64, weights="pretrained")))
    check_model(Model(image=ImageTower(backbone="timm:vit_tiny_patch16_224", size=64, weights="pretrained")))


def test_shown_all_patches_a_vit_gives_what_it_gives_for_the_image_and_reads_no_hidden_one(
    saved: Save, shown_alone_is_read: Check
) -> None:
    tower = tower_of(f"timm:{saved(VIT)}", weights="pretrained").eval()
    assert isinstance(tower, PatchTower)
    shown_alone_is_read(tower, images(64))
    check_vit(ImageTower(backbone="timm:test_vit", size=64))
    for other in (CNN, HYBRID):
        with pytest.raises(InputError, match=r"adapt\.image\.method: mae hides patches"):
            check_vit(ImageTower(backbone=f"timm:{other}", size=64))


def test_layers_are_numbered_as_timm_groups_them() -> None:
    """`norm` and what follows it belong to the last block there, and the classifier lies above."""
    for name in (CNN, VIT, HYBRID, "test_resnet", "test_convnext"):
        tower = tower_of(f"timm:{name}")
        body = timm.create_model(name, num_classes=3)
        expected = timm.models.group_parameters(body, body.group_matcher(coarse=False), reverse=True)
        head = f"{body.pretrained_cfg['classifier']}.weight"
        assert len(tower.layers()) + 1 == expected[head]
        found = {name.removeprefix("body."): depth for name, depth in tower.depths().items()}
        assert found == {name: expected[name] for name in found}


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("timm:test_efficientne", r"timm has no model 'test_efficientne'; did you mean test_efficientnet\?"),
        ("timm:resnet50.a1_in2k", r"timm has no weights 'resnet50.a1_in2k'; did you mean resnet50.a1_in1k\?"),
        ("timm:tf_efficientnet_b0_ns", r"tf_efficientnet_b0_ns is tf_efficientnet_b0\.ns_jft_in1k now; write that"),
        ("timm:./nothing", r"the folder \./nothing does not exist"),
        ("timm:./resnet50.pth", r"the file \./resnet50\.pth does not exist"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(backbone: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"model\.image\.backbone: {message}"):
        check_model(Model(image=ImageTower(backbone=backbone, weights="pretrained")))


def test_a_folder_without_a_configuration_of_timms_is_named(tmp_path: Path, saved: Save) -> None:
    with pytest.raises(InputError, match=r"model\.image\.backbone: .* holds no config\.json with an `architecture`"):
        check_model(Model(image=ImageTower(backbone=f"timm:{tmp_path}")))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(InputError, match=r"holds no config\.json with an `architecture`"):
        check_model(Model(image=ImageTower(backbone=f"timm:{tmp_path}")))
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_vitt", "pretrained_cfg": {}}))
    with pytest.raises(InputError, match=r"config\.json: timm has no model 'test_vitt'; did you mean test_vit\?"):
        check_model(Model(image=ImageTower(backbone=f"timm:{tmp_path}")))
    with pytest.raises(InputError, match=r"is a model of timm's; write timm:"):
        check_model(Model(image=ImageTower(backbone=str(saved(CNN)), weights="pretrained")))


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'", name="timm")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"model\.image\.backbone: .*pip install 'radsweep\[full\]'"):
        check_model(Model(image=ImageTower(backbone="timm:resnet50")))


def test_published_weights_come_from_the_hub_by_their_tag(monkeypatch: pytest.MonkeyPatch, saved: Save) -> None:
    asked: list[tuple[str, str]] = []

    def find(name: str, file: str) -> Path | None:
        asked.append((name, file))
        return saved(CNN) / file

    monkeypatch.setattr("radsweep.models.weights.find_file", find)
    tower = tower_of(f"timm:{CNN}.r160_in1k", weights="pretrained")
    assert asked == [(f"timm/{CNN}.r160_in1k", "model.safetensors")]
    assert torch.equal(tower.body.conv_stem.weight, load_file(saved(CNN) / "model.safetensors")["conv_stem.weight"])


def test_weights_out_of_reach_are_reported_as_those_of_other_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(name: str, file: str) -> bool:
        raise hub.Unreadable("name or service not known")

    monkeypatch.setattr(hub, "_ask", away)
    with pytest.raises(InputError, match=r"cannot download the weights of timm/test_vit\.r160_in1k \(name or service"):
        check_timm_weights("timm:test_vit")
    with pytest.raises(InputError, match=r"as a hub id it cannot be read \(name or service not known\)"):
        check_timm_weights("timm:nobody/nothing")


def test_models_without_weights_on_the_hub_are_refused() -> None:
    with pytest.raises(InputError, match=r"the weights of gcvit_tiny\.in1k are not on the hub; download https://"):
        check_timm_weights("timm:gcvit_tiny.in1k")
    with pytest.raises(InputError, match=r"model\.image\.backbone: timm has no weights for mvitv2_small_cls; choose"):
        tower_of("timm:mvitv2_small_cls", weights="pretrained")


def test_a_tower_is_rebuilt_without_looking_for_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("weights were looked for")

    monkeypatch.setattr("radsweep.models.weights.find_file", refuse)
    settings = ImageTower(backbone="timm:test_vit", weights="pretrained", size=64)
    tower = build_image_tower(settings, load=False)
    scratch = build_image_tower(settings.model_copy(update={"weights": "scratch"}))
    assert tower.state_dict().keys() == scratch.state_dict().keys()


@pytest.mark.skipif(not LITE.is_dir(), reason="the ImageNet weights of shared/weights are not here")
def test_real_imagenet_weights_give_the_features_that_timm_gives() -> None:
    reference = timm.create_model(f"local-dir:{LITE}", pretrained=True, num_classes=0).eval()
    check_model(Model(image=ImageTower(backbone=f"timm:{LITE}", weights="pretrained", size=224, channels=1)))
    assert check_timm_weights(f"timm:{LITE}") == str(LITE)
    grey, colour = (tower_of(f"timm:{LITE}", weights="pretrained", size=224, channels=n).eval() for n in (1, 3))
    pixels = images(224, 1)
    expected = reference((pixels.expand(-1, 3, -1, -1) - 0.5) / 0.5)
    torch.testing.assert_close(colour(pixels.expand(-1, 3, -1, -1)).pooled_BP, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(grey(pixels).pooled_BP, expected, rtol=1e-3, atol=1e-4)
    assert grey(pixels).regions_BRC.shape == (2, 14 * 14, 112)
