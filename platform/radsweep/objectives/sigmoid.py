"""Global contrast as one yes-or-no question a pair."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.objectives.views import Views, mean, pairs_of_views


def sigmoid(views: Views) -> Tensor:
    """Sigmoid loss of SigLIP (Zhai et al. 2023, eq. 2): -1/B sum_ij log sigmoid(z_ij (s f_i.g_j + b)).

    z is 1 on the diagonal and where texts read the same (`views.relations`), else -1. A pair that is left out adds
    nothing.
    """
    if views.bias is None:
        raise ValueError("the sigmoid loss needs a model with a logit bias")
    losses = []
    for image_BD, text_BD, relation_BB in pairs_of_views(views):
        logits_BB = views.scale * image_BD @ text_BD.T + views.bias
        if relation_BB is None:
            sign_BB = 2 * torch.eye(len(logits_BB), device=logits_BB.device) - 1
        else:
            sign_BB = relation_BB.to(torch.get_default_dtype())
        answers_BB = functional.logsigmoid(sign_BB * logits_BB)
        losses.append(-(answers_BB * sign_BB.abs()).sum() / len(logits_BB))
    return mean(losses)
