"""`objective`: the terms of the loss, and how many views they see."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from radsweep.config.settings import Settings
from radsweep.config.terms import PARTS, Embedding, Need, TermSettings


class Targets(Settings):
    kind: Literal["hard", "reports", "labels"] = Field(
        default="hard",
        description="Target of infonce. hard: the study itself, and those of the same text. reports: also other "
        "studies, by the sentences that their reports share, never across a negation, side, degree or number. labels: "
        "also other studies, by the cosine of their labels (MedCLIP); the data set needs labels",
    )
    share: float = Field(
        default=0.5, gt=0, le=1, description="Part of the target that follows the similarities; the rest is hard"
    )
    temperature: float = Field(
        default=0.1,
        gt=0,
        description="Of the softmax of similarities, which are between 0 and 1; the lower it is, the more of the "
        "target goes to the most similar studies",
    )


class Contrast(TermSettings):
    kind: Literal["infonce", "sigmoid"] = Field(default="infonce", description="infonce (CLIP) or sigmoid (SigLIP)")
    weight: float = Field(default=1.0, ge=0, description="Weight in the loss; 0 leaves the term out")
    targets: Targets = Targets()

    @property
    def softened_by(self) -> Literal["reports", "labels"] | None:
        """The similarity that the targets follow."""
        return self.targets.kind if self.weight > 0 and self.targets.kind != "hard" else None

    @model_validator(mode="after")
    def _one_distribution(self) -> Self:
        if self.kind == "sigmoid" and self.softened_by:
            raise ValueError(
                f"targets.kind: {self.targets.kind} is a distribution over the batch, which the sigmoid loss does not "
                "have. Set contrast.kind to infonce, or leave targets out"
            )
        return self


class Local(TermSettings):
    trains: ClassVar[frozenset[Embedding]] = PARTS

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
    trains: ClassVar[frozenset[Embedding]] = frozenset()

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
    trains: ClassVar[frozenset[Embedding]] = frozenset()

    kind: Literal["mlm", "simcse"] = Field(
        default="mlm", description="mlm (masked tokens, as DeCLIP) or simcse (one report under two dropout masks)"
    )
    temperature: float = Field(default=0.05, gt=0, description="Of simcse's similarities")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.MASKED_TOKENS if self.kind == "mlm" else Need.DROPOUT_VIEWS})


class Neighbours(TermSettings):
    trains: ClassVar[frozenset[Embedding]] = frozenset({Embedding.IMAGE})  # texts of the bank have no gradient
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu",)

    bank: int = Field(
        default=65_536, ge=2, description="Reports that neighbours are sought among; at most the training studies"
    )


class ImageImage(TermSettings):
    """Contrast of two views of each image (CXR-CLIP weighs it 1.0); needs `objective.views.image` of 2 or more."""

    trains: ClassVar[frozenset[Embedding]] = frozenset()


class TextText(TermSettings):
    """Contrast of two views of each report (CXR-CLIP weighs it 0.5); needs `objective.views.text` of 2 or more."""

    trains: ClassVar[frozenset[Embedding]] = frozenset()


class ViewCounts(Settings):
    image: int = Field(default=1, ge=1, le=4, description="Augmented image views a study and step")
    text: int = Field(default=1, ge=1, le=4, description="Augmented text views a study and step")


class Positives(Settings):
    """Pairs of different studies that no term treats as negatives."""

    same_report: float | None = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Studies whose texts read the same are positives of each other, in every term that compares "
        "studies: reports equal in letters, numbers and sentences, or texts equal after augmentation. Below 1: also "
        "reports whose sentences share at least this part of their words, with the same protected words in the same "
        "places. null: every other study is a negative",
    )
    same_patient: Literal["negative", "ignored"] = Field(
        default="negative",
        description="Other studies of the same patient whose reports differ: negatives (a follow-up differs from "
        "what came before), or left out of the comparison",
    )


class Objective(Settings):
    contrast: Contrast = Contrast()
    local: Local = Local()
    image_ssl: ImageSsl = ImageSsl()
    text_ssl: TextSsl = TextSsl()
    neighbours: Neighbours = Neighbours()
    image_image: ImageImage = ImageImage()
    text_text: TextText = TextText()
    positives: Positives = Positives()
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
    def trains(self) -> frozenset[Embedding]:
        """The embeddings that some term with a weight trains."""
        return frozenset(embedding for term in self.terms.values() for embedding in term.trains)

    @property
    def compares_words(self) -> bool:
        """True if reports are compared word by word, so that the list of protected words is read."""
        joins_similar = self.positives.same_report is not None and self.positives.same_report < 1
        return joins_similar or self.contrast.softened_by == "reports"

    @property
    def scores_locally(self) -> bool:
        """True if image regions and words are projected, so that the local score can rank by them."""
        return {Need.REGIONS, Need.WORDS} <= self.needs

    @model_validator(mode="after")
    def _some_term(self) -> Self:
        if not self.trains:
            *others, last = [name for name, term in self if isinstance(term, TermSettings) and term.trains]
            raise ValueError(f"{', '.join(others)} and {last} all have weight 0: nothing would join images and reports")
        return self

    @model_validator(mode="after")
    def _two_views(self) -> Self:
        for name, views in (("image_image", "image"), ("text_text", "text")):
            if name in self.terms and getattr(self.views, views) < 2:
                raise ValueError(f"views.{views}: {name} compares two views of each study. Set it to 2 or more")
        return self
