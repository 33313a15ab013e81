"""The objective of a trial: the weighted sum of its terms. A term of weight 0 is not built and not computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from radsweep.config.objective import Objective
from radsweep.models.seeding import seeded_start
from radsweep.objectives.contrast import contrast
from radsweep.objectives.image_ssl import image_ssl, image_ssl_head
from radsweep.objectives.local import local
from radsweep.objectives.neighbours import NeighbourBank, neighbours
from radsweep.objectives.same_modality import image_image, text_text
from radsweep.objectives.text_ssl import text_ssl, text_ssl_head
from radsweep.objectives.views import TermOutput, Views, Widths


class Term(NamedTuple):
    """A term's loss, and its own module if it has one."""

    loss: Callable[[Views, Any], TermOutput]
    head: Callable[[Any, Widths], nn.Module] | None = None


TERMS: dict[str, Term] = {
    "contrast": Term(contrast),
    "local": Term(local),
    "image_ssl": Term(image_ssl, image_ssl_head),
    "text_ssl": Term(text_ssl, text_ssl_head),
    "neighbours": Term(neighbours, NeighbourBank),
    "image_image": Term(image_image),
    "text_text": Term(text_text),
}


def build_heads(objective: Objective, widths: Widths, seed: int) -> nn.ModuleDict:
    """The modules of terms that have a weight; the start of each depends on `seed` and its own settings only."""
    heads = nn.ModuleDict()
    for name, settings in objective.terms.items():
        head = TERMS[name].head
        if head is not None:
            with seeded_start(f"{seed}/{name}"):
                heads[name] = head(settings, widths)
    return heads


def total_loss(views: Views, objective: Objective) -> tuple[Tensor, dict[str, float]]:
    """The loss, and what to log: `loss/<term>` unweighted, with what the terms add. Never under autocast."""
    with torch.autocast(views.scale.device.type, enabled=False):
        return _total_loss(views, objective)


def _total_loss(views: Views, objective: Objective) -> tuple[Tensor, dict[str, float]]:
    total: Tensor | None = None
    logged: dict[str, float] = {}
    for name, settings in objective.terms.items():
        output = TERMS[name].loss(views, settings)
        weighted = settings.weight * output.loss
        total = weighted if total is None else total + weighted
        logged[f"loss/{name}"] = float(output.loss.detach())
        logged.update(output.logged)
    if total is None:
        raise ValueError("every term has weight 0")
    return total, logged
