"""Image towers of the transformers library, by hub id or local folder."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from radsweep.config.model import ImageTower
from radsweep.models.configs import IMAGE_CLASSES, check_patches
from radsweep.models.features import ImageFeatures, PatchTower, rows_of
from radsweep.models.layers import transformer_layers
from radsweep.models.normalise import IMAGENET_MEAN, IMAGENET_STD, Pixels
from radsweep.models.pretrained import load_pretrained, without_attention_dropout
from radsweep.models.published import image_processor, normalisation

_POOLED_BY_MODEL = ("clip", "siglip")  # others: the class token
_WITHOUT_POOLER = ("vit", "deit")


class TransformersImage(PatchTower):
    """Regions: the patches. Pooled: what the model itself calls so."""

    def __init__(self, encoder: nn.Module, pixels: Pixels, pooled_by_model: bool, size: int) -> None:
        super().__init__()
        self.encoder, self.pixels, self.pooled_by_model = encoder, pixels, pooled_by_model
        config: Any = encoder.config
        self.patch, self.patches = int(config.patch_size), (size // config.patch_size) ** 2
        self.width = self.region_width = int(config.hidden_size)
        takes_any_size = "interpolate_pos_encoding" in inspect.signature(encoder.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if takes_any_size and size != config.image_size else {}

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        output = self.encoder(pixel_values=self.pixels(pixels_BCHW), **self.options)
        tokens_BLC = output.last_hidden_state  # class, distillation and register tokens come before the patches
        pooled_BP = output.pooler_output if self.pooled_by_model else tokens_BLC[:, 0]
        return ImageFeatures(pooled_BP, tokens_BLC[:, -self.patches :])

    def encode_visible(self, pixels_BCHW: Tensor, kept_BV: Tensor) -> Tensor:
        def shown(_module: nn.Module, _inputs: Any, embedded_BLC: Tensor) -> Tensor:
            others, patches = embedded_BLC.split([embedded_BLC.shape[1] - self.patches, self.patches], dim=1)
            return torch.cat([others, rows_of(patches, kept_BV)], dim=1)

        parts = self.encoder.named_modules()
        embeddings = next(part for name, part in parts if name.rpartition(".")[2] == "embeddings")
        hook = embeddings.register_forward_hook(shown)  # these models let no one between their two parts
        try:
            output = self.encoder(pixel_values=self.pixels(pixels_BCHW), **self.options)
        finally:
            hook.remove()
        tokens_BLC: Tensor = output.last_hidden_state
        return tokens_BLC

    def layers(self) -> list[nn.Module]:
        return transformer_layers(self.encoder)


def transformers_tower(settings: ImageTower, kind: str) -> TransformersImage:
    """See `radsweep.models.image.build_image_tower`; `kind` is the `model_type` of config.json."""
    model_class = getattr(transformers, IMAGE_CLASSES[kind])
    config = without_attention_dropout(model_class.config_class.from_pretrained(settings.backbone))
    check_patches(settings, config.patch_size, config.image_size)
    extra: dict[str, Any] = {"add_pooling_layer": False} if kind in _WITHOUT_POOLER else {}
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    if settings.weights == "pretrained":
        encoder = load_pretrained(model_class, settings.backbone, config, **extra)
        mean, std = normalisation(image_processor(settings.backbone))
    else:
        config.image_size = settings.size
        encoder = model_class(config, **extra)
    pixels = Pixels(settings.channels, config.num_channels, mean, std)
    return TransformersImage(encoder, pixels, kind.startswith(_POOLED_BY_MODEL), settings.size)
