"""Global contrast as one yes-or-no question a pair."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.objectives.views import Views, mean, pairs_of_views


def sigmoid(views: Views) -> Tensor:
    """Sigmoid loss of SigLIP (Zhai et al. 2023, eq. 2): -1/B sum_ij log sigmoid(z_ij (s f_i.g_j + b)).

    z is 1 on the diagonal and where reports read alike (`views.positive_BB`), else -1.
    """
    if views.bias is None:
        raise ValueError("the sigmoid loss needs a model with a logit bias")
    losses = []
    for image_BD, text_BD in pairs_of_views(views):
        logits_BB = views.scale * image_BD @ text_BD.T + views.bias
        itself_BB = torch.eye(len(logits_BB), device=logits_BB.device)
        positive_BB = itself_BB if views.positive_BB is None else views.positive_BB.to(itself_BB.dtype)
        sign_BB = 2 * positive_BB - 1
        losses.append(-functional.logsigmoid(sign_BB * logits_BB).sum() / len(logits_BB))
    return mean(losses)
