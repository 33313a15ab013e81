"""The objective of a trial: the weighted sum of its terms. A term of weight 0 is not computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from radsweep.objectives.contrast import contrast
from radsweep.objectives.local import local
from radsweep.objectives.views import TermOutput, Views
from radsweep.spec.trial import Objective

TERMS: dict[str, Callable[[Views, Any], TermOutput]] = {"contrast": contrast, "local": local}


def total_loss(views: Views, objective: Objective) -> tuple[Tensor, dict[str, float]]:
    """The loss, and what to log: `loss/<term>` unweighted, with what the terms add."""
    total: Tensor | None = None
    logged: dict[str, float] = {}
    for name, term in TERMS.items():
        settings = getattr(objective, name)
        if settings.weight == 0:
            continue
        output = term(views, settings)
        weighted = settings.weight * output.loss
        total = weighted if total is None else total + weighted
        logged[f"loss/{name}"] = float(output.loss.detach())
        logged.update(output.logged)
    if total is None:
        raise ValueError("every term has weight 0")
    return total, logged
