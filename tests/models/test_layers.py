from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import transformers
from torchvision.models import ConvNeXt, ResNet, VisionTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock

from radsweep.config.model import ImageTower, TextTower
from radsweep.models.adapters import add_adapters
from radsweep.models.configs import IMAGE_CLASSES, TEXT_CLASSES
from radsweep.models.features import TowerModule
from radsweep.models.image import build_image_tower
from radsweep.models.text import build_text_tower
from radsweep.models.torchvision_image import Classifier, VitTower
from radsweep.models.transformers_text import TransformersText

Save = Callable[[str], Path]


def depths_of(tower: TowerModule, *parts: str) -> list[set[int]]:
    """The depths of all parameters under each name."""
    depths = tower.depths()
    assert set(depths) == {name for name, _ in tower.named_parameters()}
    found = [{depth for name, depth in depths.items() if name.startswith(part)} for part in parts]
    assert all(found), parts
    return found


def test_layers_of_the_tiny_cnn() -> None:
    names = [*(f"trunk.{number}." for number in range(4)), "last."]
    assert depths_of(build_image_tower(ImageTower()), *names) == [{1}, {2}, {3}, {4}, {5}]


def test_blocks_of_a_resnet_lie_above_its_stem() -> None:
    tower = Classifier(ResNet(BasicBlock, [2, 1, 1, 1]), 1, 64)
    names = ("conv1.", "bn1.", "layer1.0.", "layer1.1.", "layer2.0.", "layer3.0.", "layer4.0.")
    assert depths_of(tower, *(f"body.{name}" for name in names)) == [{0}, {0}, {1}, {2}, {3}, {4}, {5}]


def test_the_downsampling_of_a_convnext_belongs_to_the_block_above_it() -> None:
    widths = (8, 16, 24, 32)
    body = ConvNeXt([CNBlockConfig(a, b, 2) for a, b in zip(widths, [*widths[1:], None], strict=True)])
    names = ("features.0.", "features.1.0.", "features.1.1.", "features.2.", "features.3.0.", "features.7.1.")
    found = depths_of(Classifier(body, 1, 64), *(f"body.{name}" for name in names), "body.classifier.")
    assert found == [{0}, {1}, {2}, {3}, {3}, {8}, {9}]


def test_patches_and_positions_of_a_vit_lie_below_its_blocks_and_its_norm_above() -> None:
    tower = VitTower(VisionTransformer(64, 16, num_layers=3, num_heads=2, hidden_dim=32, mlp_dim=48), 1)
    names = ("class_token", "conv_proj.", "encoder.pos_embedding", "encoder.layers.encoder_layer_0.")
    found = depths_of(tower, *(f"body.{name}" for name in (*names, "encoder.layers.encoder_layer_2.", "encoder.ln.")))
    assert found == [{0}, {0}, {0}, {1}, {3}, {4}]


@pytest.mark.parametrize("kind", [*TEXT_CLASSES, "tiny-bert"])
def test_layers_of_a_text_model_lie_above_its_embeddings(kind: str, save: Save) -> None:
    chosen = TextTower() if kind == "tiny-bert" else TextTower(backbone=str(save(kind)), max_tokens=32)
    depths = build_text_tower(chosen, 60).depths()
    assert {depth for name, depth in depths.items() if "embeddings" in name} == {0}
    inside = {name: depth for name, depth in depths.items() if ".0." in name or ".1." in name}
    assert all(depth == (1 if ".0." in name else 2) for name, depth in inside.items())
    rest = {name: depth for name, depth in depths.items() if name not in inside and "embeddings" not in name}
    assert set(rest.values()) <= {3}
    assert all("norm" in name or "relative_attention_bias" in name for name in rest)


@pytest.mark.parametrize("kind", IMAGE_CLASSES)
def test_layers_of_an_image_model_lie_above_its_embeddings(kind: str, save: Save) -> None:
    depths = build_image_tower(ImageTower(backbone=str(save(kind)), size=32)).depths()
    assert {depth for name, depth in depths.items() if "embeddings" in name} == {0}
    assert {depth for name, depth in depths.items() if ".0." in name} == {1}
    assert {depth for name, depth in depths.items() if ".1." in name} == {2}
    above = {name for name, depth in depths.items() if depth == 3}
    assert above
    assert all("norm" in name or "head" in name for name in above)


def test_adapters_have_the_depth_of_their_layer() -> None:
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=48, vocab_size=60
    )
    tower = TransformersText(transformers.BertModel(config, add_pooling_layer=False), "mean")
    add_adapters(tower, 2, "model.text.lora")
    adapters = {name: depth for name, depth in tower.depths().items() if "lora_" in name}
    assert len(adapters) == 3 * 6 * 2
    assert all(f"layer.{depth - 1}." in name for name, depth in adapters.items())
