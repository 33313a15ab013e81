"""Reports of a batch that read alike, so that contrast does not push them apart."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from radsweep.data.text.tokenizer import TokenisedReports


def same_reports(reports: TokenisedReports, threshold: float) -> Tensor:
    """bool [B, B]: the two reports' sets of token ids share at least `threshold` of their union (Jaccard).

    Every report is like itself; an empty one is like no other.

    Args:
        reports: of the batch, as written: before augmentation.
    """
    rows = len(reports.offsets) - 1
    report_T = np.repeat(np.arange(rows), np.diff(reports.offsets))
    used, column_T = np.unique(reports.tokens_T, return_inverse=True)
    has_BU = np.zeros((rows, len(used)), dtype=np.float32)
    has_BU[report_T, column_T] = 1
    shared_BB = (has_BU @ has_BU.T).astype(np.float64)  # a matrix product of counts: exact
    size_B = has_BU.sum(axis=1, dtype=np.float64)
    union_BB = size_B[:, None] + size_B[None, :] - shared_BB
    same_BB = shared_BB / union_BB.clip(min=1) >= threshold  # a quotient: 11 of 20 are at least 0.55
    np.fill_diagonal(same_BB, True)
    return torch.from_numpy(same_BB)
