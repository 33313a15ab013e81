"""What one trial is: data, model, objective, augmentation, training, evaluation.

Every field has its default, bounds, unit and help here and nowhere else: YAML, `--set`, search spaces, MLflow
parameters, the JSON schema and the docs are derived from these classes.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from radsweep.spec.evaluate import Evaluate
from radsweep.spec.places import absolute_weights, absolute_yaml
from radsweep.spec.settings import Settings


class Data(Settings):
    shards: str = Field(description="Folder of a packed data set, or phantom:NAME for the built-in one", min_length=1)
    pairs: int | None = Field(
        default=None, ge=2, description="Number of training studies used; the first n of a seeded order"
    )
    fraction: float | None = Field(
        default=None, gt=0, le=1, description="Part of the training studies used, instead of `pairs`"
    )
    seed: int = Field(default=0, ge=0, description="Seed of the order of patients that subsets are taken from")
    folds: int | None = Field(
        default=None,
        ge=3,
        le=20,
        description="Cross-validate: the patients of all splits are dealt into this many folds; each trial runs once a "
        "fold, tests on it, validates on the next and trains on the others, so that every pair is a test query once",
    )
    fold: int = Field(default=0, ge=0, description="Which of `folds` is tested; all are run, so leave it out")
    source: Literal["auto", "cached", "streamed"] = Field(
        default="auto",
        description="cached: decoded once, in Ray's object store; streamed: from the shards; auto: cached if it fits",
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.pairs is not None and self.fraction is not None:
            raise ValueError("`pairs` and `fraction` both set: give one of them")
        return self

    @model_validator(mode="after")
    def _one_of_the_folds(self) -> Self:
        if self.fold >= (self.folds or 1):
            raise ValueError(
                f"`fold` {self.fold} of `folds` {self.folds}: they count from 0, and all run: leave it out"
            )
        if self.folds is not None and self.source == "streamed":
            raise ValueError("`folds` and source `streamed`: folds share decoded images; use cached or auto")
        return self


class Tower(Settings):
    """How much of a tower is trained."""

    freeze: bool = Field(default=False, description="Keep the tower as it starts; only what follows it is trained")
    lora: int = Field(
        default=0, ge=0, le=256, description="Rank of low-rank adapters in the frozen tower's linear layers; 0 is off"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.freeze and self.lora:
            raise ValueError("`freeze` and `lora` both set: adapters keep the tower's own weights frozen already")
        return self


class ImageTower(Tower):
    backbone: str = Field(
        default="tiny-cnn",
        description="tiny-cnn, tiny-vit, a torchvision name (resnet50, convnext_tiny, vit_b_16), a hub id or a local "
        "folder",
    )
    weights: Literal["scratch", "imagenet", "pretrained"] = Field(
        default="scratch",
        description="scratch; imagenet (torchvision's); pretrained (hub id, or a folder or file of weights)",
    )
    size: int = Field(default=64, ge=16, le=1024, description="Side of the square image, pixels")
    channels: Literal[1, 3] = Field(
        default=1, description="1 grey or 3 colour, as cached; grey is repeated for towers that want 3"
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
    vocabulary: int = Field(
        default=8000, ge=100, le=100_000, description="Most word pieces of a tokenizer trained here"
    )

    _absolute = field_validator("backbone")(absolute_weights)


class Model(Settings):
    model_config = ConfigDict(serialize_by_alias=True)

    whole: str | None = Field(
        default=None,
        alias="from",
        description="Hub id or local folder of a whole vision-language model (CLIP, SigLIP, BiomedCLIP, BioViL): "
        "towers, projections and logit scale start from it",
    )
    image: ImageTower = ImageTower()
    text: TextTower = TextTower()
    dim: int = Field(default=128, ge=2, le=4096, description="Width of the shared embedding space")

    @model_validator(mode="before")
    @classmethod
    def _towers_of_whole(cls, value: Any) -> Any:
        """`from` stands for both towers, pretrained; such models sum a text up in one token."""
        if not isinstance(value, dict) or not isinstance(value.get("from"), str):
            return value
        towers = {
            name: _with_absolute_backbone(tower.model_dump() if isinstance(tower, BaseModel) else tower)
            for name, tower in (("image", value.get("image", {})), ("text", value.get("text", {})))
        }
        if not all(isinstance(tower, dict) for tower in towers.values()):
            return value
        whole, standard = absolute_weights(value["from"]), {"image": "tiny-cnn", "text": "tiny-bert"}
        named = {name: tower.get("backbone", standard[name]) for name, tower in towers.items()}
        if named["image"] != named["text"]:  # both the same: those of another `from`, which this one replaces
            for name, backbone in named.items():
                if backbone != standard[name]:
                    raise ValueError("`from` and a `backbone` both set: `from` brings both towers, give one")
        for name, tower in towers.items():
            if named[name] == whole and tower.get("weights", "pretrained") != "pretrained":
                raise ValueError(f"`from` and `{name}.weights` both set: `from` brings pretrained towers, give one")
        brought = {"backbone": whole, "weights": "pretrained"}
        return value | {
            "from": whole,
            "image": towers["image"] | brought,
            "text": {"pooling": "cls"} | towers["text"] | brought,
        }


def _with_absolute_backbone(tower: Any) -> Any:
    named = isinstance(tower, dict) and isinstance(tower.get("backbone"), str)
    return tower | {"backbone": absolute_weights(tower["backbone"])} if named else tower


class Contrast(Settings):
    kind: Literal["infonce", "sigmoid"] = Field(default="infonce", description="infonce (CLIP) or sigmoid (SigLIP)")
    weight: float = Field(default=1.0, ge=0, description="Weight in the loss; 0 leaves the term out")
    same_report: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Reports of a batch that share at least this part of their words (Jaccard) are positives of each "
        "other, not negatives; 1: the same words",
    )


class Local(Settings):
    weight: float = Field(default=0.0, ge=0, description="Weight in the loss; 0 leaves the term out")
    attention: float = Field(default=4.0, gt=0, description="Factor on attention over regions (temp1)")
    context: float = Field(default=5.0, gt=0, description="Factor on word-context cosines (temp2)")
    logits: float = Field(default=10.0, gt=0, description="Factor on the logits over the batch (temp3)")


class Projector(Settings):
    """What simclr and simsiam put on pooled image features."""

    hidden: int | None = Field(
        default=None,
        ge=8,
        description="Width of the projector's hidden layers; as published: simclr 4096, simsiam 2048",
    )
    dim: int | None = Field(
        default=None, ge=8, description="Width of the projector's output; as published: simclr 256, simsiam 2048"
    )


class ImageSsl(Projector):
    kind: Literal["simclr", "simsiam"] = Field(
        default="simclr", description="simclr (SLIP's branch) or simsiam (DeCLIP's), on two views of `augment.ssl`"
    )
    weight: float = Field(default=0.0, ge=0, description="Weight in the loss; 0 leaves the term out")
    temperature: float = Field(default=0.1, gt=0, description="Of simclr's similarities")


class TextSsl(Settings):
    kind: Literal["mlm", "simcse"] = Field(
        default="mlm", description="mlm (masked tokens, as DeCLIP) or simcse (one report under two dropout masks)"
    )
    weight: float = Field(default=0.0, ge=0, description="Weight in the loss; 0 leaves the term out")
    mask: float = Field(default=0.15, gt=0, lt=1, description="Part of the tokens that mlm predicts")
    temperature: float = Field(default=0.05, gt=0, description="Of simcse's similarities")


class Neighbours(Settings):
    weight: float = Field(default=0.0, ge=0, description="Weight in the loss; 0 leaves the term out")
    bank: int = Field(
        default=65_536, ge=2, description="Reports that neighbours are sought among; at most the training studies"
    )


class Views(Settings):
    image: int = Field(default=1, ge=1, le=4, description="Augmented image views a study and step")
    text: int = Field(default=1, ge=1, le=4, description="Augmented text views a study and step")


class Objective(Settings):
    contrast: Contrast = Contrast()
    local: Local = Local()
    image_ssl: ImageSsl = ImageSsl()
    text_ssl: TextSsl = TextSsl()
    neighbours: Neighbours = Neighbours()
    views: Views = Views()

    @model_validator(mode="after")
    def _some_term(self) -> Self:
        if not any(getattr(self, name).weight > 0 for name in ("contrast", "local", "neighbours")):
            raise ValueError("contrast, local and neighbours all have weight 0: nothing would join images and reports")
        return self


class ImageAugmentation(Settings):
    crop: tuple[float, float] = Field(
        default=(0.6, 1.0), description="Smallest and largest part of the picture's area a random crop keeps"
    )
    affine: float = Field(
        default=0.1, ge=0, le=1, description="Rotation and shear up to this, radians; shift up to half of it, sides"
    )
    brightness: float = Field(default=0.2, ge=0, le=1, description="Largest change of brightness, 1 = full range")
    contrast: float = Field(default=0.2, ge=0, le=1, description="Largest relative change of contrast")
    blur: float = Field(default=0.0, ge=0, le=10, description="Largest Gaussian blur, standard deviation, pixels")
    noise: float = Field(default=0.02, ge=0, le=1, description="Largest pixel noise, standard deviation")
    flip: float = Field(
        default=0.0, ge=0, le=1, description="Probability of a horizontal flip; off since it swaps left and right"
    )

    @property
    def changes_images(self) -> bool:
        other = (self.affine, self.brightness, self.contrast, self.blur, self.noise, self.flip)
        return self.crop != (1.0, 1.0) or any(other)

    def moved_alone(self) -> Self:
        """Without what changes a pixel's value."""
        return self.model_copy(update=dict.fromkeys(("brightness", "contrast", "blur", "noise"), 0.0))

    @field_validator("crop")
    @classmethod
    def _range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 1:
            raise ValueError("expected two numbers with 0 < smallest <= largest <= 1")
        return value


class TextAugmentation(Settings):
    sentences: Literal["all", "sample", "one", "shuffle"] = Field(
        default="all", description="all as written; sample (keep some); one at random; shuffle their order"
    )
    keep: float = Field(
        default=0.6, gt=0, le=1, description="Probability that `sentences: sample` keeps a sentence; one always stays"
    )
    synonyms: float = Field(default=0.0, ge=0, le=1, description="Part of a report's words replaced by a synonym (EDA)")
    swap: float = Field(default=0.0, ge=0, le=1, description="Part of a report's words that change places (EDA)")
    delete: float = Field(
        default=0.0, ge=0, le=1, description="Probability that a word is left out; one at least (EDA)"
    )
    insert: float = Field(
        default=0.0, ge=0, le=1, description="Synonyms of its words inserted, as part of a report's words (EDA)"
    )
    words: str = Field(
        default="english",
        description="Protected words and synonyms: a language that ships, or a YAML file of your own",
        min_length=1,
    )

    @property
    def changes_words(self) -> bool:
        """Whether a word operation is on, so that the list is read."""
        return max(self.synonyms, self.swap, self.delete, self.insert) > 0

    _absolute = field_validator("words")(absolute_yaml)


class Augment(Settings):
    image: ImageAugmentation = ImageAugmentation()
    text: TextAugmentation = TextAugmentation()
    ssl: ImageAugmentation = Field(
        default=ImageAugmentation(crop=(0.3, 1.0), affine=0.2, brightness=0.4, contrast=0.4, blur=1.0, noise=0.05),
        description="Stronger image augmentation, for self-supervision: `adapt.image` and `objective.image_ssl`",
    )


class Adaptation(Settings):
    """Self-supervision of a tower before training."""

    data: Literal["all", "subset"] = Field(
        default="all",
        description="all images or reports of the training split and its unpaired pool; or those of the trial's subset",
    )
    steps: int | None = Field(default=None, ge=1, description="Length in optimiser steps, instead of epochs")
    learning_rate: float = Field(default=5e-4, gt=0, description="Peak learning rate of AdamW")
    weight_decay: float = Field(default=0.05, ge=0, description="AdamW, on matrices alone")
    seed: int = Field(default=0, ge=0, description="Seed of the stage: one for all replicates, so it runs once")


class AdaptImage(Adaptation, Projector):
    method: Literal["none", "simclr", "simsiam", "mae"] = Field(
        default="none",
        description="Self-supervision of the image tower before training: simclr and simsiam on two views of "
        "`augment.ssl`; mae (a ViT's alone) hides patches, and of `augment.ssl` takes crop, affine and flip",
    )
    epochs: int = Field(default=20, ge=1, description="Length, passes over the images")
    batch_size: int = Field(default=128, ge=2, description="Images a step, over all workers")
    temperature: float = Field(default=0.2, gt=0, description="Of simclr's similarities")
    mask: float = Field(default=0.75, gt=0, lt=1, description="Part of the patches that mae hides and predicts")
    decoder_width: int = Field(
        default=512, ge=32, le=4096, multiple_of=32, description="Width of mae's decoder, thrown away after the stage"
    )
    decoder_layers: int = Field(default=8, ge=1, le=64, description="Layers of mae's decoder")


class AdaptText(Adaptation):
    method: Literal["none", "mlm"] = Field(
        default="none", description="Masked language modelling of the text tower before training"
    )
    epochs: int = Field(default=10, ge=1, description="Length, passes over the reports")
    batch_size: int = Field(default=64, ge=2, description="Reports a step, over all workers")
    mask: float = Field(default=0.15, gt=0, lt=1, description="Part of the tokens that is predicted")


class Adapt(Settings):
    image: AdaptImage = AdaptImage()
    text: AdaptText = AdaptText()


class Train(Settings):
    until: Literal["plateau", "epochs", "steps"] = Field(
        default="plateau", description="plateau of the selection metric (then a cool-down), or a fixed length"
    )
    epochs: int = Field(default=30, ge=1, description="Length with `until: epochs`")
    steps: int = Field(default=1000, ge=1, description="Length with `until: steps`, optimiser steps")
    max_epochs: int = Field(default=60, ge=1, description="Ceiling of `until: plateau`, epochs")
    max_steps: int | None = Field(
        default=None, ge=1, description="Ceiling of `until: plateau` in optimiser steps, instead of max_epochs"
    )
    patience: int = Field(default=8, ge=1, description="Validations without a new best until the metric counts as flat")
    cooldown: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Length of the final cosine decay after a plateau, part of the steps so far",
    )
    batch_size: int = Field(default=64, ge=2, description="Studies a step, over all workers")
    accumulate: int = Field(
        default=1, ge=1, description="Parts a batch is computed in; all its negatives are kept (GradCache)"
    )
    learning_rate: float = Field(default=5e-5, gt=0, description="Peak learning rate of AdamW")
    weight_decay: float = Field(default=1e-4, ge=0, description="AdamW, on matrices alone")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="Part of the longest possible run warmed up in")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="Learning rate of each layer of a tower, as part of the next one's"
    )
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Weights are averaged with this decay a step for validation and test; 0 off",
    )
    clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient")
    workers: int = Field(default=1, ge=1, description="Ray Train workers of a trial")
    threads: int = Field(default=1, ge=1, description="CPU threads of a worker")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto is bf16 on a GPU and fp32 on a CPU"
    )
    seed: int = Field(default=0, ge=0, description="Seed of initialisation, order, augmentation and dropout")

    @model_validator(mode="after")
    def _whole_parts(self) -> Self:
        if self.batch_size % self.workers:
            raise ValueError(f"batch_size {self.batch_size} is no multiple of workers {self.workers}")
        if self.accumulate > self.batch_size // self.workers:
            raise ValueError(f"accumulate {self.accumulate} is more than a worker's share of the batch")
        return self


class Trial(Settings):
    """Everything that decides a trial's numbers, and nothing else: its canonical JSON is part of a cell's key."""

    data: Data
    model: Model = Model()
    adapt: Adapt = Adapt()
    objective: Objective = Objective()
    augment: Augment = Augment()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _whole_batches(self) -> Self:
        for name in ("image", "text"):
            adapt = getattr(self.adapt, name)
            if adapt.method != "none" and adapt.batch_size % self.train.workers:
                raise ValueError(
                    f"adapt.{name}.batch_size {adapt.batch_size} is no multiple of train.workers {self.train.workers}"
                )
        return self

    @model_validator(mode="after")
    def _pooled_over_folds(self) -> Self:
        if self.data.folds is not None and self.evaluate.select.endswith("/median_rank"):
            raise ValueError("`data.folds` and a median as `evaluate.select`: no mean over queries; select mean_rank")
        return self
