"""BioViL and BioViL-T: hi-ml's image file beside CXR-BERT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.model import ImageTower, Model
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.models.backbone_checks import check_model
from radsweep.models.vlm import VisionLanguageModel, build_model

Save = Callable[[str], Path]
IMAGES = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
IDS = torch.randint(5, 60, (2, 9), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(9) < torch.tensor([[9], [6]])
OWN, JOINT = 16, 12
BIOVIL, BIOVIL_T = "biovil_image_resnet50_proj_size_128.pt", "biovil_t_image_model_proj_size_128.pt"


class Encoder(nn.Module):
    """hi-ml's `MultiImageEncoder` of one image, and with `own` None its `ImageEncoder`."""

    def __init__(self, encoder: ResNet, own: int | None) -> None:
        super().__init__()
        self.encoder = encoder
        if own is not None:
            self.backbone_to_vit = nn.Conv2d(encoder.fc.in_features, own, 1, bias=False)
            self.missing_previous_emb = nn.Parameter(torch.randn(1, own, 1, 1))
            self.vit_pooler = nn.Linear(3, 3)  # of two images; its weights lie in the file
        self.own = own

    def forward(self, x: Tensor) -> Tensor:
        net = self.encoder
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        if self.own is None:
            return x
        static = self.backbone_to_vit(x)
        rows, _, height, width = static.shape
        return torch.cat([static, self.missing_previous_emb.repeat(rows, 1, height, width)], dim=1)


class ImageModel(nn.Module):
    """hi-ml's: the projector runs on each patch, and its outputs are averaged."""

    def __init__(self, encoder: ResNet, own: int | None) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, own)
        self.projector = nn.Module()
        width = encoder.fc.in_features if own is None else 2 * own
        self.projector.model = nn.Sequential(
            nn.Conv2d(width, JOINT, 1, bias=False), nn.BatchNorm2d(JOINT), nn.ReLU(), nn.Conv2d(JOINT, JOINT, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.projector.model(self.encoder(x)).mean(dim=(2, 3))


def image_model(block: Any, own: int | None) -> ImageModel:
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        model = ImageModel(ResNet(block, [1, 2, 1, 1]), own)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.fixture
def folder(save: Save, tmp_path: Path) -> Path:
    for file in save("cxr-bert").iterdir():
        if file.suffix in (".bin", ".json", ".py"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def settings_of(folder: Path, **changes: Any) -> Model:
    image = {"size": 48} | changes.pop("image", {})
    text = {"max_tokens": 64} | changes.pop("text", {})
    return Model.model_validate({"pretrained": str(folder), "dim": JOINT, "image": image, "text": text} | changes)


def built_from(folder: Path, **changes: Any) -> VisionLanguageModel:
    settings = settings_of(folder)
    check_model(settings)
    return build_model(trial_with(Trial(data=Data(shards="phantom:any"), model=settings), changes), 60).eval()


@pytest.mark.parametrize(
    ("file", "block", "own"), [(BIOVIL, Bottleneck, None), (BIOVIL, BasicBlock, None), (BIOVIL_T, BasicBlock, OWN)]
)
def test_image_embeddings_are_those_of_hi_ml(file: str, block: Any, own: int | None, folder: Path) -> None:
    reference = image_model(block, own)
    torch.save(reference.state_dict(), folder / file)
    built = built_from(folder, **{"objective.local.weight": 1.0})
    embedding = built.embed_images(IMAGES)
    expected = functional.normalize(reference(IMAGES.expand(-1, 3, -1, -1)), dim=-1)
    torch.testing.assert_close(embedding.image_BD, expected, rtol=1e-5, atol=1e-5)
    assert embedding.regions_BRD.shape == (2, 9, JOINT)


def test_text_embeddings_are_those_of_cxr_bert(folder: Path) -> None:
    torch.save(image_model(BasicBlock, None).state_dict(), folder / BIOVIL)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = transformers.BertConfig(**small, vocab_size=60, max_position_embeddings=64)
    bert = transformers.BertModel(config, add_pooling_layer=False).eval()
    bert.load_state_dict({k.removeprefix("bert."): v for k, v in state.items() if k.startswith("bert.")})
    head = {k.removeprefix("cls_projection_head."): v for k, v in state.items() if "cls_projection_head" in k}
    x = bert(input_ids=IDS, attention_mask=MASK.long()).last_hidden_state[:, 0]
    x = functional.gelu(functional.linear(x, head["dense_to_hidden.weight"], head["dense_to_hidden.bias"]))
    x = functional.layer_norm(x, (JOINT,), head["LayerNorm.weight"], head["LayerNorm.bias"], eps=1e-12)
    x = functional.linear(x, head["dense_to_output.weight"], head["dense_to_output.bias"])
    own = built_from(folder).embed_texts(IDS, MASK).text_BD
    torch.testing.assert_close(own, functional.normalize(x, dim=-1), rtol=1e-5, atol=1e-5)


def test_no_scale_was_published(folder: Path) -> None:
    torch.save(image_model(BasicBlock, None).state_dict(), folder / BIOVIL)
    assert built_from(folder).logit_scale.exp().item() == pytest.approx(1 / 0.07, rel=1e-6)


def test_its_image_tower_and_its_text_model_can_be_taken_by_themselves(folder: Path) -> None:
    torch.save(image_model(BasicBlock, None).state_dict(), folder / BIOVIL)
    image = ImageTower(backbone=str(folder), weights="pretrained", size=48)
    check_model(Model(image=image))
    alone = build_model(Trial(data=Data(shards="phantom:any"), model=Model(image=image)), 60).eval()
    torch.testing.assert_close(alone.image(IMAGES), built_from(folder).image(IMAGES))
    with pytest.raises(InputError, match=r"model\.image\.weights: .* set it to pretrained"):
        check_model(Model(image=ImageTower(backbone=str(folder))))
    with pytest.raises(InputError, match=r"model\.image\.lora: .* no linear layers"):
        check_model(Model(image=image.model_copy(update={"lora": 4})))


def test_only_a_text_model_is_not_a_whole_model(folder: Path) -> None:
    with pytest.raises(InputError, match=rf"only has a text model; put {BIOVIL_T} or {BIOVIL} beside"):
        check_model(settings_of(folder))
    torch.save({"other": torch.zeros(1)}, folder / BIOVIL)
    with pytest.raises(InputError, match=r"model\.image\.backbone: .* lack 'projector\.model\.0\.weight'"):
        built_from(folder)
    with pytest.raises(InputError, match=r"model\.dim: .* embeds in 12 dimensions"):
        check_model(settings_of(folder, dim=128))
