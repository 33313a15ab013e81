"""`objective`: the terms of the loss, and how many views they see."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from radsweep.config.settings import Settings
from radsweep.config.terms import Need, TermSettings


class Contrast(TermSettings):
    kind: Literal["infonce", "sigmoid"] = Field(default="infonce", description="infonce (CLIP) or sigmoid (SigLIP)")
    weight: float = Field(default=1.0, ge=0, description="Weight in the loss; 0 leaves the term out")
    same_report: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Reports of a batch that share at least this part of their words (Jaccard) are positives of each "
        "other, not negatives; 1: the same words",
    )


class Local(TermSettings):
    attention: float = Field(default=4.0, gt=0, description="Factor on attention over regions (temp1)")
    context: float = Field(default=5.0, gt=0, description="Factor on word-context cosines (temp2)")
    logits: float = Field(default=10.0, gt=0, description="Factor on the logits over the batch (temp3)")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.REGIONS, Need.WORDS})


class Projector(Settings):
    """The projector of simclr, simsiam and moco on pooled image features, and moco's memory."""

    hidden: int | None = Field(
        default=None,
        ge=8,
        description="Width of the projector's hidden layers; as published: simclr 4096, simsiam and moco 2048",
    )
    dim: int | None = Field(
        default=None,
        ge=8,
        description="Width of the projector's output; as published: simclr 256, simsiam 2048, moco 128",
    )
    queue: int = Field(
        default=4096, ge=1, description="Keys of earlier batches that moco has as negatives; at most one for each image"
    )
    momentum: float = Field(
        default=0.99, ge=0, lt=1, description="Part of itself that moco's slow copy of the tower keeps in a step"
    )


class ImageSsl(TermSettings, Projector):
    aligns: ClassVar[bool] = False

    kind: Literal["simclr", "simsiam", "moco"] = Field(
        default="simclr",
        description="simclr (SLIP's branch), simsiam (DeCLIP's) or moco (a queue of keys by a slow copy of the tower, "
        "for small batches), on two views of `augment.ssl`",
    )
    temperature: float = Field(default=0.1, gt=0, description="Of simclr's and moco's similarities")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.STRONG_VIEWS})


class Masking(Settings):
    """Tokens that masked language modelling predicts."""

    mask: float = Field(default=0.15, gt=0, lt=1, description="Part of the tokens that mlm predicts")
    mask_unit: Literal["token", "word"] = Field(
        default="token",
        description="token: mlm predicts tokens by themselves, as BERT; word: whole words, so that no piece of a word "
        "gives away the others (BERT's whole-word masking)",
    )


class TextSsl(TermSettings, Masking):
    aligns: ClassVar[bool] = False

    kind: Literal["mlm", "simcse"] = Field(
        default="mlm", description="mlm (masked tokens, as DeCLIP) or simcse (one report under two dropout masks)"
    )
    temperature: float = Field(default=0.05, gt=0, description="Of simcse's similarities")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.MASKED_TOKENS if self.kind == "mlm" else Need.DROPOUT_VIEWS})


class Neighbours(TermSettings):
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu",)

    bank: int = Field(
        default=65_536, ge=2, description="Reports that neighbours are sought among; at most the training studies"
    )


class ViewCounts(Settings):
    image: int = Field(default=1, ge=1, le=4, description="Augmented image views a study and step")
    text: int = Field(default=1, ge=1, le=4, description="Augmented text views a study and step")


class Objective(Settings):
    contrast: Contrast = Contrast()
    local: Local = Local()
    image_ssl: ImageSsl = ImageSsl()
    text_ssl: TextSsl = TextSsl()
    neighbours: Neighbours = Neighbours()
    views: ViewCounts = ViewCounts()

    @property
    def terms(self) -> dict[str, TermSettings]:
        """The terms that have a weight, by name, in the order of the fields."""
        return {name: term for name, term in self if isinstance(term, TermSettings) and term.weight > 0}

    @property
    def needs(self) -> frozenset[Need]:
        """The inputs of all terms that have a weight."""
        return frozenset(need for term in self.terms.values() for need in term.needs)

    @property
    def libraries(self) -> tuple[str, ...]:
        """Libraries that only terms use, of those that have a weight."""
        return tuple(library for term in self.terms.values() for library in term.libraries)

    @property
    def scores_locally(self) -> bool:
        """True if image regions and words are trained, so that the local score can rank by them."""
        return {Need.REGIONS, Need.WORDS} <= self.needs

    @model_validator(mode="after")
    def _some_term(self) -> Self:
        if not any(term.aligns for term in self.terms.values()):
            *others, last = [name for name, term in self if isinstance(term, TermSettings) and term.aligns]
            raise ValueError(f"{', '.join(others)} and {last} all have weight 0: nothing would join images and reports")
        return self
