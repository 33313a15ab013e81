"""The model of a trial: two towers, their projections, and the learned scale of the similarities."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from radsweep.models.features import ImageFeatures, ImageTowerModule, TextFeatures, TextTowerModule
from radsweep.models.image import build_image_tower
from radsweep.models.text import build_text_tower
from radsweep.spec.trial import Trial

_LARGEST_LOGIT_SCALE = math.log(100)


class ImageEmbedding(NamedTuple):
    image_BD: Tensor  # of unit length
    regions_BRD: Tensor | None  # not normalised; None without a local term


class TextEmbedding(NamedTuple):
    text_BD: Tensor  # of unit length
    tokens_BLD: Tensor | None  # not normalised, special tokens and padding included; None without a local term


class VisionLanguageModel(nn.Module):
    """Image and text towers (see `radsweep.models.image` and `.text`) and what joins them in `dim` dimensions.

    Args:
        local: whether regions and tokens are projected too.
        sigmoid: start of scale (and a bias) for the sigmoid loss; else the scale of CLIP and no bias.
        seed: of the projections.
    """

    def __init__(
        self,
        image: ImageTowerModule,
        text: TextTowerModule,
        dim: int,
        local: bool = False,
        sigmoid: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.image, self.text = image, text
        self.image_projection = _projection(image.width, dim, f"{seed}/image projection")
        self.text_projection = _projection(text.width, dim, f"{seed}/text projection")
        self.region_projection = _projection(image.region_width, dim, f"{seed}/region projection") if local else None
        self.token_projection = _projection(text.token_width, dim, f"{seed}/token projection") if local else None
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10) if sigmoid else math.log(1 / 0.07)))
        self.logit_bias = nn.Parameter(torch.tensor(-10.0)) if sigmoid else None

    def embed_images(self, pixels_BCHW: Tensor) -> ImageEmbedding:
        """`pixels_BCHW`: float in [0, 1]."""
        return self.project_images(self.image(pixels_BCHW))

    def embed_texts(self, ids_BL: Tensor, mask_BL: Tensor) -> TextEmbedding:
        """`ids_BL`: int64; `mask_BL`: bool, False on padding."""
        return self.project_texts(self.text(ids_BL, mask_BL))

    def project_images(self, features: ImageFeatures) -> ImageEmbedding:
        embedding = functional.normalize(self.image_projection(features.pooled_BP), dim=-1)
        project = self.region_projection
        return ImageEmbedding(embedding, project(features.regions_BRC) if project is not None else None)

    def project_texts(self, features: TextFeatures) -> TextEmbedding:
        embedding = functional.normalize(self.text_projection(features.pooled_BP), dim=-1)
        project = self.token_projection
        return TextEmbedding(embedding, project(features.tokens_BLC) if project is not None else None)

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """After each optimiser step: similarities are multiplied by 1 to 100."""
        self.logit_scale.clamp_(0, _LARGEST_LOGIT_SCALE)


def build_model(trial: Trial, vocabulary: int) -> VisionLanguageModel:
    """The model of a trial, its start decided by `train.seed` alone; each part's by that part's settings too.

    Args:
        vocabulary: number of ids of the trial's tokenizer.

    Raises:
        InputError: a backbone that is unknown, cannot be read or does not fit the settings.
    """
    seed = trial.train.seed
    with _seeded(f"{seed}/image"):
        image = build_image_tower(trial.model.image)
    with _seeded(f"{seed}/text"):
        text = build_text_tower(trial.model.text, vocabulary)
    local = trial.objective.local.weight > 0
    sigmoid = trial.objective.contrast.kind == "sigmoid"
    return VisionLanguageModel(image, text, trial.model.dim, local, sigmoid, seed)


def _projection(width: int, dim: int, name: str) -> nn.Linear:
    with _seeded(name):
        return nn.Linear(width, dim, bias=False)


@contextmanager
def _seeded(name: str) -> Iterator[None]:
    """The CPU's random state set by `name` within, and restored after."""
    with torch.random.fork_rng(devices=[]):
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        torch.random.default_generator.manual_seed(int.from_bytes(digest, "little"))  # torch.manual_seed: GPUs too
        yield
