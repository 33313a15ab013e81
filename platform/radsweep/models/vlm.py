"""The model of a trial: two towers, their projections, and the learned scale of the similarities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from radsweep.config.model import ImageTower, TextTower
from radsweep.config.terms import Need
from radsweep.config.trial import Trial
from radsweep.models.adapters import add_adapters, freeze, freeze_batchnorm, train_top
from radsweep.models.features import (
    ImageFeatures,
    ImageTowerModule,
    TextFeatures,
    TextTowerModule,
    TowerModule,
    full_precision,
)
from radsweep.models.image import build_image_tower
from radsweep.models.projections import Joint, load_joint
from radsweep.models.seeding import seeded_start
from radsweep.models.text import build_text_tower

LARGEST_LOGIT_SCALE = math.log(100)
LAYERS_OF_WORDS = 4  # of the text tower, summed for features of words (GLoRIA, Huang et al. 2021)


class ImageEmbedding(NamedTuple):
    image_BD: Tensor  # of unit length
    regions_BRD: Tensor | None  # not normalised; None if no term needs regions


class TextEmbedding(NamedTuple):
    text_BD: Tensor  # of unit length
    tokens_BLD: Tensor | None  # not normalised, special tokens and padding included; None if no term needs words


class VisionLanguageModel(nn.Module):
    """Image and text towers (see `radsweep.models.image` and `.text`) and what joins them in `dim` dimensions.

    Args:
        regions, words: whether regions and tokens are projected too, by linear layers that are always new.
        sigmoid: start of scale (and a bias) for the sigmoid loss; else the scale of CLIP and no bias.
        seed: of the projections.
        joint: projections, scale and bias of a whole model to start from, as far as it has them. Its scale and bias
            are taken over together, or, without the sigmoid loss, its scale up to CLIP's limit.
    """

    def __init__(
        self,
        image: ImageTowerModule,
        text: TextTowerModule,
        dim: int,
        regions: bool = False,
        words: bool = False,
        sigmoid: bool = False,
        seed: int = 0,
        joint: Joint | None = None,
    ) -> None:
        super().__init__()
        self.image, self.text = image, text
        if joint is None:
            self.image_projection: nn.Module = _projection(image.width, dim, f"{seed}/image projection")
            self.text_projection: nn.Module = _projection(text.width, dim, f"{seed}/text projection")
        else:
            self.image_projection, self.text_projection = joint.image, joint.text
        self.region_projection = _projection(image.region_width, dim, f"{seed}/region projection") if regions else None
        self.token_projection = _projection(text.token_width, dim, f"{seed}/token projection") if words else None
        scale, bias = _scale_and_bias(sigmoid, joint)
        self.logit_scale = nn.Parameter(torch.tensor(scale))
        self.logit_bias = None if bias is None else nn.Parameter(torch.tensor(bias))
        self.largest_logit_scale = max(LARGEST_LOGIT_SCALE, scale)  # SigLIP's own is larger

    def embed_images(self, pixels_BCHW: Tensor) -> ImageEmbedding:
        """`pixels_BCHW`: float in [0, 1]."""
        return self.project_images(self.image(pixels_BCHW))

    def embed_texts(self, ids_BL: Tensor, mask_BL: Tensor) -> TextEmbedding:
        """`ids_BL`: int64; `mask_BL`: bool, False on padding."""
        return self.project_texts(self.text(ids_BL, mask_BL))

    def project_images(self, features: ImageFeatures) -> ImageEmbedding:
        """Outside autocast: projections cost little, and similarities of bf16 embeddings would tie."""
        project = self.region_projection
        with torch.autocast(features.pooled_BP.device.type, enabled=False):
            image_BD = functional.normalize(self.image_projection(full_precision(features.pooled_BP)), dim=-1)
            if project is None or features.regions_BRC is None:
                return ImageEmbedding(image_BD, None)
            return ImageEmbedding(image_BD, project(full_precision(features.regions_BRC)))

    def project_texts(self, features: TextFeatures) -> TextEmbedding:
        """Outside autocast, as `project_images`."""
        project = self.token_projection
        with torch.autocast(features.pooled_BP.device.type, enabled=False):
            text_BD = functional.normalize(self.text_projection(full_precision(features.pooled_BP)), dim=-1)
            if project is None or features.tokens_BLC is None:
                return TextEmbedding(text_BD, None)
            return TextEmbedding(text_BD, project(full_precision(features.tokens_BLC)))

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """After each optimiser step: similarities are multiplied by 1 to 100, or to where the scale started."""
        self.logit_scale.clamp_(0, self.largest_logit_scale)


def build_model(
    trial: Trial, vocabulary: int, adapted: Mapping[str, Mapping[str, Tensor]] | None = None, load: bool = True
) -> VisionLanguageModel:
    """The model of a trial, its start only decided by `train.seed`; each part's by that part's settings too.

    A tower is built, then takes the weights of its adaptation stage, then is frozen or gets its adapters.

    Args:
        vocabulary: number of ids of the trial's tokenizer.
        adapted: state dicts of the towers `image` and `text` from their adaptation stages.
        load: False if all weights are replaced next; see `build_image_tower`.

    Raises:
        InputError: a backbone or whole model that is unknown, cannot be read or does not fit the settings.
    """
    seed, settings = trial.train.seed, trial.model
    with seeded_start(f"{seed}/image"):
        image = build_image_tower(settings.image, load and "image" not in (adapted or {}))
    with seeded_start(f"{seed}/text"):
        text = build_text_tower(settings.text, vocabulary)
    if adapted is not None and "image" in adapted:
        image.load_state_dict(adapted["image"])
    if adapted is not None and "text" in adapted:
        text.load_state_dict(adapted["text"])
    _limit(image, settings.image, "image", seed)
    _limit(text, settings.text, "text", seed)
    regions, words = (need in trial.objective.needs for need in (Need.REGIONS, Need.WORDS))
    if words:
        text.summed_layers = LAYERS_OF_WORDS
    sigmoid = trial.objective.contrast.kind == "sigmoid"
    joint = None if settings.pretrained is None else load_joint(settings.pretrained)
    return VisionLanguageModel(image, text, settings.dim, regions, words, sigmoid, seed, joint)


def _limit(tower: TowerModule, settings: ImageTower | TextTower, name: str, seed: int) -> None:
    """Freeze a tower or a part of it, or add its adapters, as its settings say."""
    if isinstance(settings, ImageTower) and settings.freeze_batchnorm:
        freeze_batchnorm(tower, "model.image.freeze_batchnorm")
    if settings.top_layers is not None:
        train_top(tower, settings.top_layers, f"model.{name}.top_layers")
    if settings.freeze:
        freeze(tower)
    if settings.lora:
        with seeded_start(f"{seed}/{name} adapters"):
            add_adapters(tower, settings.lora, f"model.{name}.lora")


def _scale_and_bias(sigmoid: bool, joint: Joint | None) -> tuple[float, float | None]:
    """A scale means little without the loss, and for the sigmoid loss the bias, that it was learned with."""
    if sigmoid:
        if joint is not None and joint.scale is not None and joint.bias is not None:
            return joint.scale, joint.bias
        return math.log(10), -10.0
    if joint is not None and joint.scale is not None:
        return min(max(joint.scale, 0.0), LARGEST_LOGIT_SCALE), None
    return math.log(1 / 0.07), None


def _projection(width: int, dim: int, name: str) -> nn.Linear:
    with seeded_start(name):
        return nn.Linear(width, dim, bias=False)
