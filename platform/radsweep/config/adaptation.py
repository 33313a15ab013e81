"""`adapt`: self-supervision of the towers before training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from radsweep.config.objective import Masking, Projector
from radsweep.config.settings import Settings


class AdaptationSettings(Settings):
    """Self-supervision of a tower before training."""

    data: Literal["all", "subset"] = Field(
        default="all",
        description="all images or reports of the training split and its unpaired pool; or those of the trial's subset",
    )
    steps: int | None = Field(default=None, ge=1, description="Length in optimiser steps, instead of epochs")
    learning_rate: float = Field(default=5e-4, gt=0, description="Peak learning rate of AdamW")
    weight_decay: float = Field(default=0.05, ge=0, description="AdamW, on matrices only")
    seed: int = Field(default=0, ge=0, description="Seed of the stage: one for all replicates, so it runs once")


class AdaptImage(AdaptationSettings, Projector):
    method: Literal["none", "simclr", "simsiam", "moco", "mae"] = Field(
        default="none",
        description="Self-supervision of the image tower before training: simclr, simsiam and moco (for small batches) "
        "on two views of `augment.ssl`; mae (only for a ViT) hides patches, and of `augment.ssl` takes crop, affine "
        "and flip",
    )
    epochs: int = Field(default=20, ge=1, description="Length, passes over the images")
    batch_size: int = Field(default=128, ge=2, description="Images a step, over all workers")
    temperature: float = Field(default=0.2, gt=0, description="Of simclr's and moco's similarities")
    mask: float = Field(default=0.75, gt=0, lt=1, description="Part of the patches that mae hides and predicts")
    decoder_width: int = Field(
        default=512, ge=32, le=4096, multiple_of=32, description="Width of mae's decoder, thrown away after the stage"
    )
    decoder_layers: int = Field(default=8, ge=1, le=64, description="Layers of mae's decoder")


class AdaptText(AdaptationSettings, Masking):
    method: Literal["none", "mlm"] = Field(
        default="none", description="Masked language modelling of the text tower before training"
    )
    epochs: int = Field(default=10, ge=1, description="Length, passes over the reports")
    batch_size: int = Field(default=64, ge=2, description="Reports a step, over all workers")


class Adapt(Settings):
    image: AdaptImage = AdaptImage()
    text: AdaptText = AdaptText()
