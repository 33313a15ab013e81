"""The base of every loss term's settings: a weight, and the inputs that the term declares."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Literal

from pydantic import Field

from radsweep.config.settings import Settings


class Need(Enum):
    """An input of a term besides one embedding of each view.

    The first part of the value is the tower that has to run in every step for it: pooled features that were computed
    once, of a frozen tower, do not serve.
    """

    REGIONS = ("image", "regions")  # of each image view, projected to `model.dim`
    WORDS = ("text", "words")  # tokens of each text view, projected to `model.dim`
    STRONG_VIEWS = ("image", "strong views")  # two more views of each image, augmented by `augment.ssl`
    MASKED_TOKENS = ("text", "masked tokens")  # the first text view with tokens hidden, by `objective.text_ssl.mask`
    DROPOUT_VIEWS = ("text", "dropout views")  # the first text view under two other dropout masks

    @property
    def tower(self) -> Literal["image", "text"]:
        return self.value[0]


class Embedding(Enum):
    """A projected output of the model that retrieval ranks by, of the tower that its value names.

    `IMAGE` and `TEXT` are those of whole images and reports; `REGIONS` and `WORDS` make up the local score.
    """

    IMAGE = ("image", "whole")
    TEXT = ("text", "whole")
    REGIONS = ("image", "parts")
    WORDS = ("text", "parts")

    @property
    def tower(self) -> Literal["image", "text"]:
        return self.value[0]


WHOLE = frozenset({Embedding.IMAGE, Embedding.TEXT})
PARTS = frozenset({Embedding.REGIONS, Embedding.WORDS})


class TermSettings(Settings):
    """Settings of a term of the objective. The data, the model and the evaluation ask it, not its name."""

    trains: ClassVar[frozenset[Embedding]] = WHOLE  # that its gradient reaches; none: it joins no images and reports
    libraries: ClassVar[tuple[str, ...]] = ()  # that only this term uses: their versions are part of a trial's key

    weight: float = Field(default=0.0, ge=0, description="Weight in the loss; 0 leaves the term out")

    @property
    def needs(self) -> frozenset[Need]:
        """The inputs that the loss, or the term's own module, reads."""
        return frozenset()
