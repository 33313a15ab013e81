"""`model`: the image and text towers, and the embedding space that they share."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from radsweep.config.paths import absolute_weights
from radsweep.config.settings import Settings

Truncation = Literal["head", "tail", "impression_first"]


class Tower(Settings):
    """Settings of the part of a tower that is trained."""

    freeze: bool = Field(default=False, description="Keep the tower as it starts; only what follows it is trained")
    lora: int = Field(
        default=0, ge=0, le=256, description="Rank of low-rank adapters in the frozen tower's linear layers; 0 is off"
    )
    top_layers: int | None = Field(
        default=None,
        ge=1,
        description="Train only the last layers of the tower (residual blocks, transformer layers), this many, and all "
        "that follows; without it the whole tower",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.freeze and self.lora:
            raise ValueError("`freeze` and `lora` both set: adapters keep the tower's own weights frozen already")
        if self.top_layers and (self.freeze or self.lora):
            other = "freeze" if self.freeze else "lora"
            raise ValueError(f"`top_layers` and `{other}` both set: each decides which weights are trained, give one")
        return self


class ImageTower(Tower):
    backbone: str = Field(
        default="tiny-cnn",
        description="tiny-cnn, tiny-vit, a torchvision name (resnet50, densenet121, vit_b_16), timm:NAME "
        "(timm:convnextv2_tiny, also timm: before a hub id, a folder or a file), a hub id or a local folder",
    )
    weights: Literal["scratch", "imagenet", "pretrained"] = Field(
        default="scratch",
        description="scratch; imagenet (torchvision's); pretrained (hub id, or a folder or file of weights)",
    )
    size: int = Field(default=64, ge=16, le=1024, description="Side of the square image, pixels")
    channels: Literal[1, 3] = Field(
        default=1, description="1 grey or 3 colour, as cached; grey is repeated for towers that want 3"
    )
    freeze_batchnorm: bool = Field(
        default=False,
        description="BatchNorm keeps its statistics, weights and biases as they start; `train.accumulate` can then be "
        "more than 1",
    )
    preprocessing: Literal["letterbox", "own"] = Field(
        default="letterbox",
        description="How images become squares. letterbox keeps the whole picture, with black beside it; own resizes "
        "and crops as the pretrained weights were trained, and cuts off what their crop does",
    )

    _absolute = field_validator("backbone")(absolute_weights)


class TextTower(Tower):
    backbone: str = Field(
        default="tiny-bert", description="tiny-bert, a hub id or a local folder of a transformers text model"
    )
    weights: Literal["scratch", "pretrained"] = Field(
        default="scratch",
        description="scratch also trains a WordPiece tokenizer on the reports of the training split",
    )
    pooling: Literal["mean", "cls"] = Field(default="mean", description="How token features become one vector")
    max_tokens: int = Field(default=128, ge=8, le=512, description="Longer reports are cut, tokens")
    truncation: Truncation = Field(
        default="head",
        description="Kept of a report that is cut: its head, its tail, or impression_first: the impression, and before "
        "it as much of the beginning as there is room for",
    )
    vocabulary: int = Field(
        default=8000, ge=100, le=100_000, description="Most word pieces of a tokenizer trained here"
    )

    _absolute = field_validator("backbone")(absolute_weights)


class Model(Settings):
    pretrained: str | None = Field(
        default=None,
        description="Hub id or local folder of a whole vision-language model (CLIP, SigLIP, BiomedCLIP, BioViL): "
        "towers, projections and logit scale start from it",
    )
    image: ImageTower = ImageTower()
    text: TextTower = TextTower()
    dim: int = Field(default=128, ge=2, le=4096, description="Width of the shared embedding space")

    @model_validator(mode="before")
    @classmethod
    def _towers_of_whole(cls, value: Any) -> Any:
        """Set both towers from `pretrained`; such models pool a text in one token."""
        if not isinstance(value, dict) or not isinstance(value.get("pretrained"), str):
            return value
        towers = {
            name: _with_absolute_backbone(tower.model_dump() if isinstance(tower, BaseModel) else tower)
            for name, tower in (("image", value.get("image", {})), ("text", value.get("text", {})))
        }
        if not all(isinstance(tower, dict) for tower in towers.values()):
            return value
        whole, standard = absolute_weights(value["pretrained"]), {"image": "tiny-cnn", "text": "tiny-bert"}
        named = {name: tower.get("backbone", standard[name]) for name, tower in towers.items()}
        if named["image"] != named["text"]:  # both the same: those of another `pretrained`, which this one replaces
            for name, backbone in named.items():
                if backbone != standard[name]:
                    raise ValueError("`pretrained` and a `backbone` both set: `pretrained` sets both towers, give one")
        for name, tower in towers.items():
            if named[name] == whole and tower.get("weights", "pretrained") != "pretrained":
                raise ValueError(f"`pretrained` and `{name}.weights` both set: `pretrained` sets both, give one")
        brought = {"backbone": whole, "weights": "pretrained"}
        return value | {
            "pretrained": whole,
            "image": towers["image"] | brought,
            "text": {"pooling": "cls"} | towers["text"] | brought,
        }


def _with_absolute_backbone(tower: Any) -> Any:
    named = isinstance(tower, dict) and isinstance(tower.get("backbone"), str)
    return tower | {"backbone": absolute_weights(tower["backbone"])} if named else tower
