"""Image towers of torchvision: any of its classifiers, from scratch, from ImageNet, or from a file of weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import VisionTransformer
from torchvision.models.vision_transformer import interpolate_embeddings

from radsweep.config.model import ImageTower
from radsweep.errors import InputError, first_line
from radsweep.models.backbone_names import TINY_PATCH, architecture_in
from radsweep.models.configs import check_patches
from radsweep.models.features import ImageFeatures, ImageTowerModule, PatchTower, regions_of_map, rows_of
from radsweep.models.layers import COARSEST_REGION, outer_blocks, residual_blocks
from radsweep.models.normalise import IMAGENET_MEAN, IMAGENET_STD, Pixels
from radsweep.models.probing import outputs_without_values
from radsweep.models.weights import load_all, read_state

_BESIDE = ("aux1.", "aux2.", "AuxLogits.")  # classifiers in the middle of a model, which only its own training needs
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")  # in torchvision's own files


def torchvision_tower(settings: ImageTower, load: bool = True) -> ImageTowerModule:
    """See `radsweep.models.image.build_image_tower`."""
    name = architecture_in(settings.backbone)
    if name.startswith("vit_"):
        check_patches(settings, int(name[-2:]), native=None)
    try:
        body = torchvision.models.get_model(name, weights=None, **_options(name, settings))
        vit = isinstance(body, VisionTransformer)
        tower = VitTower(body, settings.channels) if vit else Classifier(body, settings.channels, settings.size)
    except NotImplementedError:  # an operation on a tensor without values
        raise
    except (RuntimeError, ValueError) as error:
        message = f"{name} cannot take images of {settings.size} pixels ({first_line(error)})"
        raise InputError(message, key="model.image.size") from None
    if load and settings.weights != "scratch":
        state = _imagenet(name) if settings.weights == "imagenet" else read_state(Path(settings.backbone))
        _load(tower, state, settings)
    return tower


def _options(name: str, settings: ImageTower) -> dict[str, Any]:
    """Options that torchvision itself sets for pretrained weights, and the size of models that are made for one."""
    size, scratch = settings.size, settings.weights == "scratch"
    if name.startswith("vit_"):
        return {"image_size": size}
    if name.startswith("maxvit_"):
        return {"input_size": (size, size)}
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": scratch, "transform_input": not scratch}
    return {}


class Classifier(ImageTowerModule):
    """Any classifier. Pooled: what its last layer reads. Regions: the last block's map whose regions have about 16
    pixels a side or fewer: the third stage of a ResNet."""

    def __init__(self, body: nn.Module, channels: int, size: int) -> None:
        super().__init__()
        self.pixels = Pixels(channels, 3, IMAGENET_MEAN, IMAGENET_STD)
        self.head = _last_layer(body)  # its name
        parent, _, own = self.head.rpartition(".")
        setattr(body.get_submodule(parent), own, nn.Identity())
        self.body = body
        self._look_at_blocks(max(size, 224))  # in a small image, several stages have the same side
        inside = {id(module) for layer in self.layers() for module in layer.modules()}
        for module in body.modules():
            if isinstance(module, nn.Dropout) and id(module) not in inside:
                module.p = 0.0  # the classifier's

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        maps: list[Tensor] = []
        block = self.body.get_submodule(self.region)
        hook = block.register_forward_hook(lambda _module, _inputs, output: maps.append(output))
        try:
            pooled = self.body(self.pixels(pixels_BCHW))
        finally:
            hook.remove()
        return ImageFeatures(
            pooled.flatten(1), maps[0].flatten(1, 2) if self.channels_last else regions_of_map(maps[0])
        )

    def layers(self) -> list[nn.Module]:
        return residual_blocks(outer_blocks(self.body))

    def _look_at_blocks(self, size: int) -> None:
        """Set the widths, the name of the block that gives the regions, and if channels come last in its output."""
        names = {id(module): name for name, module in self.body.named_modules()}

        def see(block: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.dim() != 4:
                return
            if round(math.log2(size / output.shape[2])) <= math.log2(COARSEST_REGION):
                self.channels_last = output.shape[2] != output.shape[3]
                self.region, self.region_width = names[id(block)], output.shape[3 if self.channels_last else 1]

        hooks = [block.register_forward_hook(see) for block in outer_blocks(self.body)]
        try:
            self.width = outputs_without_values(self.body, 3, size).flatten(1).shape[1]
        finally:
            for hook in hooks:
                hook.remove()


class VitTower(PatchTower):
    """Regions: the patches. Pooled: the class token."""

    def __init__(self, body: VisionTransformer, channels: int) -> None:
        super().__init__()
        self.pixels = Pixels(channels, 3, IMAGENET_MEAN, IMAGENET_STD)
        self.width = self.region_width = body.hidden_dim
        self.patch, self.patches = body.patch_size, (body.image_size // body.patch_size) ** 2
        self.head, body.heads = "heads", nn.Identity()
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


def _load(tower: Classifier | VitTower, state: Mapping[str, Tensor], settings: ImageTower) -> None:
    """Everything but the classifier, or nothing."""
    state = {_OLD_DENSENET.sub(r"\1", key): value for key, value in state.items()}
    if isinstance(tower, VitTower):
        state = dict(interpolate_embeddings(settings.size, tower.body.patch_size, state))
    kept = {key: value for key, value in state.items() if not key.startswith((f"{tower.head}.", *_BESIDE))}
    name = architecture_in(settings.backbone)
    if name.startswith("mnasnet"):  # it asks for its own version, which only a state dict of a model has
        versioned = tower.body.state_dict()
        versioned.clear()
        versioned.update(kept)
        kept = versioned
    load_all(tower.body, kept, name)


def _last_layer(body: nn.Module) -> str:
    """Name of the last linear layer, or of the last convolution of a model that has none (SqueezeNet)."""
    for kind in (nn.Linear, nn.Conv2d):
        if names := [name for name, module in body.named_modules() if isinstance(module, kind)]:
            return names[-1]
    raise ValueError(f"{type(body).__name__} has no layer to leave out")
