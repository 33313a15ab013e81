"""InfoNCE with targets that follow the similarity of studies (MedCLIP, Wang et al. 2022; SoftCLIP, Gao et al. 2024).

Shapes: B studies of the global batch, C labels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.config.objective import Targets
from radsweep.objectives.infonce import candidates, uniform_target
from radsweep.objectives.views import Views, mean, pairs_of_views


def soft_infonce(views: Views, settings: Targets) -> Tensor:
    """`infonce` with a target that is, by `share`, the softmax of a row's similarities over `temperature`."""
    if views.similarity_BB is None:
        raise ValueError("soft targets need the similarities of the batch")
    losses = []
    for image_BD, text_BD, given_BB in pairs_of_views(views):
        logits_BB = views.scale * image_BD @ text_BD.T
        itself_BB = 2 * torch.eye(len(logits_BB), device=logits_BB.device) - 1
        relation_BB = itself_BB if given_BB is None else given_BB
        for table_BB, by_row_BB in ((logits_BB, relation_BB), (logits_BB.T, relation_BB.T)):
            candidates_BB = candidates(table_BB, by_row_BB)
            soft_BB = candidates(views.similarity_BB / settings.temperature, by_row_BB).softmax(dim=1)
            hard_BB = uniform_target(by_row_BB, soft_BB.dtype)
            target_BB = (1 - settings.share) * hard_BB + settings.share * soft_BB
            losses.append(functional.cross_entropy(candidates_BB, target_BB.to(candidates_BB.dtype)))
    return mean(losses)


def label_similarity(labels_BC: Tensor) -> Tensor:
    """Cosine of the labels that both studies have, float64 [B, B]; 1 if all of these are negative in both.

    Two studies without a label in common have similarity 0.

    Args:
        labels_BC: 1, 0, or NaN if unknown.
    """
    known_BC = (~labels_BC.isnan()).double()
    positive_BC = labels_BC.nan_to_num().double()
    both_BB, common_BB = positive_BC @ positive_BC.T, known_BC @ known_BC.T
    own_BB = positive_BC @ known_BC.T  # positives of i among the labels that j has
    cosine_BB = both_BB / (own_BB * own_BB.T).sqrt().clamp(min=1)
    healthy_BB = (own_BB + own_BB.T == 0) & (common_BB > 0)
    similarity_BB = torch.where(healthy_BB, 1.0, cosine_BB)
    return similarity_BB.fill_diagonal_(1)
