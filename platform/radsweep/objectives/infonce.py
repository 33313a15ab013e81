"""Global contrast of whole images and reports."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.objectives.views import Views, mean, pairs_of_views


def infonce(views: Views) -> Tensor:
    """Symmetric cross-entropy of CLIP (Radford et al. 2021, figure 3): targets on the diagonal.

    The mean over every combination of an image view and a text view, as DeCLIP (Li et al. 2022) averages its pairs.
    """
    losses = []
    for image_BD, text_BD in pairs_of_views(views):
        logits_BB = views.scale * image_BD @ text_BD.T
        target_B = torch.arange(len(logits_BB), device=logits_BB.device)
        rows = functional.cross_entropy(logits_BB, target_B)
        columns = functional.cross_entropy(logits_BB.T, target_B)
        losses.append((rows + columns) / 2)
    return mean(losses)
