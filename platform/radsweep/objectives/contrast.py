"""The term `objective.contrast`: which global contrast, and signs of collapse."""

from __future__ import annotations

import torch

from radsweep.config.objective import Contrast
from radsweep.objectives.infonce import infonce
from radsweep.objectives.sigmoid import sigmoid
from radsweep.objectives.soft_targets import soft_infonce
from radsweep.objectives.views import TermOutput, Views

LOSSES = {"infonce": infonce, "sigmoid": sigmoid}


def contrast(views: Views, settings: Contrast) -> TermOutput:
    """The loss, with the logit scale and the spread of similarities: 0 where all embeddings are one point."""
    loss = soft_infonce(views, settings.targets) if settings.softened_by else LOSSES[settings.kind](views)
    with torch.no_grad():
        similarity_BB = views.image_BD[0] @ views.text_BD[0].T
        logged = {"logit_scale": float(views.scale), "similarity_spread": float(similarity_BB.std())}
    return TermOutput(loss, logged)
