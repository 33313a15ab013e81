"""`augment`: changes of images and reports during training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator

from radsweep.config.paths import absolute_yaml
from radsweep.config.settings import Settings


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
    clahe: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of adaptive histogram equalisation (CLAHE) in 8 x 8 tiles, its contrast limit 1 to 4",
    )
    flip: float = Field(
        default=0.0, ge=0, le=1, description="Probability of a horizontal flip; off since it swaps left and right"
    )

    @property
    def changes_images(self) -> bool:
        other = (self.affine, self.brightness, self.contrast, self.blur, self.noise, self.clahe, self.flip)
        return self.crop != (1.0, 1.0) or any(other)

    def moved_alone(self) -> Self:
        """Without what changes a pixel's value."""
        return self.model_copy(update=dict.fromkeys(("brightness", "contrast", "blur", "noise", "clahe"), 0.0))

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
    swap: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Part of a report's words that change places (EDA); not recommended: no report reads like that",
    )
    delete: float = Field(
        default=0.0, ge=0, le=1, description="Probability that a word is left out; one at least (EDA)"
    )
    insert: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Synonyms of its words inserted, as part of a report's words (EDA); not recommended, as `swap`",
    )
    words: str = Field(
        default="english",
        description="Protected words, findings and synonyms: a language that ships, or a YAML file of your own",
        min_length=1,
    )

    @property
    def changes_words(self) -> bool:
        """True if a word operation is on, so that the list is read."""
        return max(self.synonyms, self.swap, self.delete, self.insert) > 0

    @property
    def changes_sentences(self) -> bool:
        """True if a sentence may be left out or moved."""
        return self.sentences in ("one", "shuffle") or (self.sentences == "sample" and self.keep < 1)

    @property
    def changes_texts(self) -> bool:
        return self.changes_words or self.changes_sentences

    _absolute = field_validator("words")(absolute_yaml)


class Augment(Settings):
    image: ImageAugmentation = ImageAugmentation()
    text: TextAugmentation = TextAugmentation()
    ssl: ImageAugmentation = Field(
        default=ImageAugmentation(crop=(0.3, 1.0), affine=0.2, brightness=0.4, contrast=0.4, blur=1.0, noise=0.05),
        description="Stronger image augmentation, for self-supervision: `adapt.image` and `objective.image_ssl`",
    )
