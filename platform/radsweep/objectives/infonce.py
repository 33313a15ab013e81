"""Global contrast of whole images and reports."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.objectives.views import Views, mean, pairs_of_views


def infonce(views: Views) -> Tensor:
    """Symmetric cross-entropy of CLIP (Radford et al. 2021, figure 3): targets on the diagonal.

    The mean over every combination of an image view and a text view, as DeCLIP (Li et al. 2022) averages its pairs.
    If texts read the same (`views.relations`), the target is uniform over a row's positives.
    """
    return mean(
        [
            half_sum(views.scale * image_BD @ text_BD.T, relation_BB)
            for image_BD, text_BD, relation_BB in pairs_of_views(views)
        ]
    )


def half_sum(logits_BB: Tensor, relation_BB: Tensor | None) -> Tensor:
    """The mean of the rows' cross-entropy and that of the columns; for the relation, see `Relations`."""
    by_column_BB = None if relation_BB is None else relation_BB.T
    return (row_cross_entropy(logits_BB, relation_BB) + row_cross_entropy(logits_BB.T, by_column_BB)) / 2


def row_cross_entropy(logits_BB: Tensor, relation_BB: Tensor | None) -> Tensor:
    """Mean over rows. The target is uniform over a row's positives; a column that is left out is not a candidate.

    Args:
        relation_BB: as in `Relations`; None: targets on the diagonal.
    """
    if relation_BB is None:
        return functional.cross_entropy(logits_BB, torch.arange(len(logits_BB), device=logits_BB.device))
    candidates_BB = candidates(logits_BB, relation_BB)
    return functional.cross_entropy(candidates_BB, uniform_target(relation_BB, candidates_BB.dtype))


def uniform_target(relation_BB: Tensor, dtype: torch.dtype) -> Tensor:
    """Each row's positives, with equal shares that sum to 1."""
    positive_BB = (relation_BB > 0).to(dtype)
    return positive_BB / positive_BB.sum(dim=1, keepdim=True)


def candidates(logits_BB: Tensor, relation_BB: Tensor) -> Tensor:
    """The logits in float32 at least, and the smallest number where a pair is left out.

    -inf times a target of 0 would not be a number, and a third is not the same three times in bfloat16.
    """
    logits_BB = logits_BB.to(torch.promote_types(logits_BB.dtype, torch.float32))
    return logits_BB.masked_fill(relation_BB == 0, torch.finfo(logits_BB.dtype).min)
