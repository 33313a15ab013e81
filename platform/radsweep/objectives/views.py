"""Inputs of every term of the objective: the features of the whole batch, gathered from all workers.

Shapes: B studies of the global batch, b of this worker, D embedding width, R regions, L tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from radsweep.models.features import ImageTowerModule
from radsweep.models.masked_lm import MaskedLanguageHead


class Words(NamedTuple):
    """Token features of one text view. `word_BL` numbers the word of each token; -1 is padding or special."""

    tokens_BLD: Tensor
    word_BL: Tensor


class Rows(NamedTuple):
    """Studies of a batch: their rows in the training split, and what they have in common; int64.

    If `objective.positives.same_report` is null, `report_B` and `seen_BV` hold the study's row too.
    """

    study_B: Tensor
    patient_B: Tensor
    report_B: Tensor  # equal for reports that read the same
    seen_BV: Tensor  # equal for text views of the same tokens, after augmentation and truncation

    def of(self, some_B: Tensor) -> Rows:
        """Those of some studies, by a bool mask."""
        return Rows(*(column[some_B] for column in self))


class Relations(NamedTuple):
    """int8 [B, B]: 1 if column j is a positive of row i, 0 if the pair is left out, -1 if it is a negative."""

    reports_BB: Tensor  # of two studies by their reports; symmetric
    texts_BB: tuple[Tensor, ...]  # one a text view: of study i and study j's text in that view
    ignores_patient: bool = False  # other studies of the same patient are left out

    def of(self, some_B: Tensor) -> Relations:
        """Those of some studies, by a bool mask."""
        texts = tuple(text_BB[some_B][:, some_B] for text_BB in self.texts_BB)
        return Relations(self.reports_BB[some_B][:, some_B], texts, self.ignores_patient)


@dataclass(frozen=True)
class Views:
    """Features with gradient. Embeddings have unit length; row i of every view belongs to the same study."""

    image_BD: tuple[Tensor, ...]  # one a view
    text_BD: tuple[Tensor, ...]
    scale: Tensor  # exp of the learned logit scale
    bias: Tensor | None = None  # of the sigmoid loss
    own_regions_bRD: tuple[Tensor, ...] = ()  # only this worker's studies
    words: tuple[Words, ...] = ()
    gather: Callable[[Tensor], Tensor] = lambda rows: rows  # this worker's rows -> all rows, with gradient
    relations: Relations | None = None  # None: each study's only positive is itself, and all others are negatives
    similarity_BB: Tensor | None = None  # of studies, from 0 to 1, for soft targets; symmetric
    rows: Rows | None = None
    heads: Mapping[str, nn.Module] = field(default_factory=dict)  # by term, of those that have a module
    outputs: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)  # by term: what its module gave, all rows


class TermOutput(NamedTuple):
    """A scalar and what to log beside it."""

    loss: Tensor
    logged: dict[str, float]


class Widths(NamedTuple):
    """Sizes that a term's own module depends on, and what it may start from."""

    image: int  # pooled features of the image tower
    text: int  # pooled features of the text tower
    tokens: int  # token features
    token_embeddings: int  # input embeddings of the text tower
    vocabulary: int
    dim: int  # shared embedding space
    studies: int  # that the trial trains on
    image_tower: ImageTowerModule | None = None  # for a head that follows it
    pretrained_mlm: Callable[[], MaskedLanguageHead | None] = lambda: None  # head of the text tower's checkpoint


def pairs_of_views(views: Views) -> list[tuple[Tensor, Tensor, Tensor | None]]:
    """Each combination of an image view and a text view, with the relation of images and texts."""
    relations = text_relations(views)
    return [(image, *text) for image in views.image_BD for text in zip(views.text_BD, relations, strict=True)]


def text_relations(views: Views) -> tuple[Tensor | None, ...]:
    """The relation of studies and the texts of each text view."""
    return views.relations.texts_BB if views.relations else (None,) * len(views.text_BD)


def mean(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()
