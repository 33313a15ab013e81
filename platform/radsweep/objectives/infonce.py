"""Global contrast of whole images and reports."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.objectives.views import Views, mean, pairs_of_views


def infonce(views: Views) -> Tensor:
    """Symmetric cross-entropy of CLIP (Radford et al. 2021, figure 3): targets on the diagonal.

    The mean over every combination of an image view and a text view, as DeCLIP (Li et al. 2022) averages its pairs.
    Where reports read alike (`views.positive_BB`), the target is uniform over a row's positives.
    """
    losses = []
    for image_BD, text_BD in pairs_of_views(views):
        logits_BB = views.scale * image_BD @ text_BD.T
        if views.positive_BB is None:
            target = torch.arange(len(logits_BB), device=logits_BB.device)
        else:
            positive_BB = views.positive_BB.to(logits_BB.dtype)
            target = positive_BB / positive_BB.sum(dim=1, keepdim=True)
        rows = functional.cross_entropy(logits_BB, target)
        columns = functional.cross_entropy(logits_BB.T, target)
        losses.append((rows + columns) / 2)
    return mean(losses)
