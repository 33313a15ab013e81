"""Image towers of torchvision: ResNet, ConvNeXt and ViT, from scratch, from ImageNet, or from a file of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import ConvNeXt, ResNet, VisionTransformer
from torchvision.models.vision_transformer import interpolate_embeddings

from radsweep.errors import InputError
from radsweep.models.features import ImageFeatures, ImageTowerModule, regions_of_map
from radsweep.models.pixels import IMAGENET_MEAN, IMAGENET_STD, Pixels
from radsweep.models.sources import check_patches, torchvision_name
from radsweep.spec.trial import ImageTower

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
        state = _imagenet(name) if settings.weights == "imagenet" else _from_file(settings.backbone)
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
        body = self.body
        stem = body.maxpool(body.relu(body.bn1(body.conv1(self.pixels(pixels_BCHW)))))
        map_BCHW = body.layer3(body.layer2(body.layer1(stem)))
        return ImageFeatures(body.avgpool(body.layer4(map_BCHW)).flatten(1), regions_of_map(map_BCHW))


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


class VitTower(ImageTowerModule):
    """Regions: the patches. Pooled: the class token."""

    def __init__(self, body: VisionTransformer, channels: int) -> None:
        super().__init__()
        self.pixels = Pixels(channels, 3, IMAGENET_MEAN, IMAGENET_STD)
        self.width = self.region_width = body.hidden_dim
        body.heads = nn.Identity()
        self.body = body

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        patches = self.body._process_input(self.pixels(pixels_BCHW))
        tokens_BLC = self.body.encoder(torch.cat([self.body.class_token.expand(len(patches), -1, -1), patches], dim=1))
        return ImageFeatures(tokens_BLC[:, 0], tokens_BLC[:, 1:])


def _imagenet(name: str) -> dict[str, Tensor]:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:
        file = Path(weights.url).name
        raise InputError(
            f"model.image.weights: {file} cannot be fetched ({error}); fetch it where there is a network, put it into "
            f"hub/checkpoints of TORCH_HOME, or set model.image.backbone to its path and weights to pretrained"
        ) from None


def _from_file(path: str) -> dict[str, Tensor]:
    try:
        state: Any = load_file(path) if path.endswith(".safetensors") else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # each format has its own; all mean that this file is no good
        raise InputError(
            f"model.image.backbone: {path} cannot be read ({type(error).__name__}); expected a state dict of tensors"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"model.image.backbone: {path} holds no plain state dict; save model.state_dict() alone")
    return state


def _load(tower: ResNetTower | ConvNextTower | VitTower, state: dict[str, Tensor], settings: ImageTower) -> None:
    """Everything but the classifier, or nothing."""
    if isinstance(tower, VitTower):
        patch = tower.body.patch_size
        state = dict(interpolate_embeddings(settings.size, patch, dict(state)))
    kept = {key: value for key, value in state.items() if not key.startswith(_HEADS)}
    try:
        tower.body.load_state_dict(kept)
    except RuntimeError as error:
        raise InputError(
            f"model.image.backbone: the weights do not fit {torchvision_name(settings.backbone)}: "
            f"{' '.join(str(error).split())[:300]}"
        ) from None
