"""What every term of the objective sees: the features of the whole batch, gathered from all workers.

Shapes: B studies of the global batch, b of this worker, D embedding width, R regions, L tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Words(NamedTuple):
    """Token features of one text view. `word_BL` numbers the word of each token; -1 is padding or special."""

    tokens_BLD: Tensor
    word_BL: Tensor


@dataclass(frozen=True)
class Views:
    """Features with gradient. Embeddings have unit length; row i of every view belongs to the same study."""

    image_BD: tuple[Tensor, ...]  # one a view
    text_BD: tuple[Tensor, ...]
    scale: Tensor  # exp of the learned logit scale
    bias: Tensor | None = None  # of the sigmoid loss
    own_regions_bRD: tuple[Tensor, ...] = ()  # this worker's studies alone
    words: tuple[Words, ...] = ()
    gather: Callable[[Tensor], Tensor] = lambda rows: rows  # this worker's rows -> all rows, with gradient


class TermOutput(NamedTuple):
    """A scalar and what to log beside it."""

    loss: Tensor
    logged: dict[str, float]


def pairs_of_views(views: Views) -> list[tuple[Tensor, Tensor]]:
    """Each combination of an image view and a text view."""
    return [(image, text) for image in views.image_BD for text in views.text_BD]


def mean(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()
