"""Pairs of a batch that are not plain negatives: texts that read the same, and other studies of a patient.

Two healthy patients often have the same report, word for word. As negatives of each other, they ask for what no model
can do. Shapes: B studies of the global batch, V text views.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radsweep.objectives.views import Relations, Rows


def relate(rows: Rows, alike_BB: Tensor | None = None, ignore_patient: bool = False) -> Relations | None:
    """The relations of a batch; None if each study is only related to itself.

    A text of study j is a positive of study i if their reports read the same, or if it is the same tokens as one of
    the views of i's report.

    Args:
        alike_BB: bool, symmetric: further reports that count as the same.
        ignore_patient: leave out the other studies of the same patient.
    """
    same_BB = rows.report_B[:, None] == rows.report_B
    if alike_BB is not None:
        same_BB = same_BB | alike_BB.to(same_BB.device)
    texts = [
        same_BB | (rows.seen_BV[:, None, :] == seen_B[None, :, None]).any(dim=2) for seen_B in rows.seen_BV.unbind(1)
    ]
    if not ignore_patient and all(map(only_itself, (same_BB, *texts))):
        return None
    patient_BB = rows.patient_B[:, None] == rows.patient_B if ignore_patient else None
    return Relations(signs(same_BB, patient_BB), tuple(signs(text_BB, patient_BB) for text_BB in texts), ignore_patient)


def signs(positive_BB: Tensor, left_out_BB: Tensor | None = None) -> Tensor:
    """The relation of positives, of what else is left out, and of negatives."""
    others_BB = torch.zeros_like(positive_BB) if left_out_BB is None else left_out_BB
    return torch.where(positive_BB, 1, torch.where(others_BB, 0, -1)).to(torch.int8)


def only_itself(positive_BB: Tensor) -> bool:
    """True if each study's only positive is itself."""
    return int(positive_BB.sum()) == len(positive_BB)  # the diagonal is always true


def without_positives(relation_BB: Tensor | None) -> Tensor | None:
    """The relation with every positive off the diagonal left out."""
    if relation_BB is None:
        return None
    itself_BB = torch.eye(len(relation_BB), dtype=torch.bool, device=relation_BB.device)
    return relation_BB.masked_fill((relation_BB > 0) & ~itself_BB, 0)
