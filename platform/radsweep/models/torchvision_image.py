"""Image towers of torchvision: ResNet, ConvNeXt and ViT, from scratch, from ImageNet, or from a file of weights."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import ConvNeXt, ResNet, VisionTransformer
from torchvision.models.convnext import CNBlock
from torchvision.models.vision_transformer import interpolate_embeddings

from radsweep.config.model import ImageTower
from radsweep.errors import InputError
from radsweep.models.backbone_names import TINY_PATCH, torchvision_name
from radsweep.models.configs import check_patches
from radsweep.models.features import ImageFeatures, ImageTowerModule, PatchTower, regions_of_map, rows_of
from radsweep.models.normalise import IMAGENET_MEAN, IMAGENET_STD, Pixels
from radsweep.models.weights import load_all, read_state

_HEADS = ("fc.", "classifier.2.", "heads.")


def torchvision_tower(settings: ImageTower) -> ImageTowerModule:
    """See `radsweep.models.image.build_image_tower`."""
    name = torchvision_name(settings.backbone)
    sized = {"image_size": settings.size} if name.startswith("vit_") else {}
    if sized:
        check_patches(settings, int(name[-2:]), native=None)
    body = torchvision.models.get_model(name, weights=None, **sized)
    tower: ResNetTower | ConvNextTower | VitTower
    if isinstance(body, ResNet):
        tower = ResNetTower(body, settings.channels)
    elif isinstance(body, ConvNeXt):
        tower = ConvNextTower(body, settings.channels)
    else:
        tower = VitTower(body, settings.channels)
    if settings.weights != "scratch":
        state = _imagenet(name) if settings.weights == "imagenet" else read_state(Path(settings.backbone))
        _load(tower, state, settings)
    return tower


class ResNetTower(ImageTowerModule):
    """Regions: the third stage, at a sixteenth of the side. Pooled: the mean of the fourth."""

    def __init__(self, body: ResNet, channels: int) -> None:
        super().__init__()
        self.pixels = Pixels(channels, 3, IMAGENET_MEAN, IMAGENET_STD)
        self.width = body.fc.in_features
        self.region_width = self.width // 2
        body.fc = nn.Identity()
        self.body = body

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        third_BCHW, fourth_BCHW = self.maps(pixels_BCHW)
        return ImageFeatures(self.body.avgpool(fourth_BCHW).flatten(1), regions_of_map(third_BCHW))

    def maps(self, pixels_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the third and the fourth stage."""
        body = self.body
        stem = body.maxpool(body.relu(body.bn1(body.conv1(self.pixels(pixels_BCHW)))))
        third_BCHW = body.layer3(body.layer2(body.layer1(stem)))
        return third_BCHW, body.layer4(third_BCHW)

    def layers(self) -> list[nn.Module]:
        stages = (self.body.layer1, self.body.layer2, self.body.layer3, self.body.layer4)
        return [block for stage in stages for block in stage]


class ConvNextTower(ImageTowerModule):
    """Regions: the third stage, at a sixteenth of the side. Pooled: the normalised mean of the fourth."""

    def __init__(self, body: ConvNeXt, channels: int) -> None:
        super().__init__()
        self.pixels = Pixels(channels, 3, IMAGENET_MEAN, IMAGENET_STD)
        self.width = body.classifier[2].in_features
        self.region_width = self.width // 2
        body.classifier[2] = nn.Identity()
        self.body = body

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        map_BCHW = self.body.features[:6](self.pixels(pixels_BCHW))
        last = self.body.features[6:](map_BCHW)
        return ImageFeatures(self.body.classifier(self.body.avgpool(last)), regions_of_map(map_BCHW))

    def layers(self) -> list[nn.Module]:
        return [module for module in self.body.features.modules() if isinstance(module, CNBlock)]


class VitTower(PatchTower):
    """Regions: the patches. Pooled: the class token."""

    def __init__(self, body: VisionTransformer, channels: int) -> None:
        super().__init__()
        self.pixels = Pixels(channels, 3, IMAGENET_MEAN, IMAGENET_STD)
        self.width = self.region_width = body.hidden_dim
        self.patch, self.patches = body.patch_size, (body.image_size // body.patch_size) ** 2
        body.heads = nn.Identity()
        self.body = body

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        patches = self._patches(pixels_BCHW)
        tokens_BLC = self.body.encoder(torch.cat([self.body.class_token.expand(len(patches), -1, -1), patches], dim=1))
        return ImageFeatures(tokens_BLC[:, 0], tokens_BLC[:, 1:])

    def _patches(self, pixels_BCHW: Tensor) -> Tensor:
        return self.body.conv_proj(self.pixels(pixels_BCHW)).flatten(2).transpose(1, 2)

    def encode_visible(self, pixels_BCHW: Tensor, kept_BV: Tensor) -> Tensor:
        body, encoder = self.body, self.body.encoder
        at_class, at_patches = encoder.pos_embedding.split([1, self.patches], dim=1)
        shown = rows_of(self._patches(pixels_BCHW) + at_patches, kept_BV)
        tokens = torch.cat([(body.class_token + at_class).expand(len(shown), -1, -1), shown], dim=1)
        return encoder.ln(encoder.layers(encoder.dropout(tokens)))

    def layers(self) -> list[nn.Module]:
        return list(self.body.encoder.layers)


def tiny_vit(settings: ImageTower) -> VitTower:
    """0.5 M parameters, patches of 8 pixels: what a CPU trains in minutes."""
    check_patches(settings, TINY_PATCH, native=None)
    body = VisionTransformer(settings.size, TINY_PATCH, num_layers=4, num_heads=4, hidden_dim=96, mlp_dim=384)
    return VitTower(body, settings.channels)


def _imagenet(name: str) -> dict[str, Tensor]:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:
        file = Path(weights.url).name
        raise InputError(
            f"{file} cannot be fetched ({error}); fetch it on a machine with a network, put it into hub/checkpoints of "
            "TORCH_HOME, or set model.image.backbone to its path and weights to pretrained",
            key="model.image.weights",
        ) from None


def _load(tower: ResNetTower | ConvNextTower | VitTower, state: dict[str, Tensor], settings: ImageTower) -> None:
    """Everything but the classifier, or nothing."""
    if isinstance(tower, VitTower):
        patch = tower.body.patch_size
        state = dict(interpolate_embeddings(settings.size, patch, dict(state)))
    kept = {key: value for key, value in state.items() if not key.startswith(_HEADS)}
    load_all(tower.body, kept, torchvision_name(settings.backbone))
