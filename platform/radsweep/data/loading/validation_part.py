"""Validation studies that select the checkpoints of a trial: the whole split, or a nested part of it."""

from __future__ import annotations

import numpy as np

from radsweep.config.data import Data
from radsweep.data.loading.index import SplitIndex
from radsweep.data.loading.subsets import seeded_order, subset_size, validation_size


def validation_rows(data: Data, train: SplitIndex, validation: SplitIndex) -> np.ndarray:
    """Return the rows of the validation studies that select, ascending: the same for all arms of a replicate and size.

    They are the first ones of an order of patients by `data.seed`, so that a smaller part is within a larger one.

    Raises:
        ValueError: more studies are asked for than there are.
    """
    trained = subset_size(len(train), data.pairs, data.fraction)
    size = validation_size(len(validation), trained, data.validation_pairs, data.validation_ratio)
    order = seeded_order(validation.study_ids, validation.patient_ids, data.seed)
    return np.sort(np.array(order[:size], dtype=np.int64))
