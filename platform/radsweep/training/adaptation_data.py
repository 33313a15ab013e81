"""Data of adaptation stages: images or reports of the training split, paired or not, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from radsweep.config.stages import Subset
from radsweep.data.loading.prepared import PreparedData, PreparedSplit
from radsweep.data.loading.subsets import seeded_order, subset_size
from radsweep.data.text.tokenizer import NO_IMPRESSION, TokenisedReports

_APART = 0x9E3779B97F4A7C15  # keeps the images of one study apart: an odd number of 64 bits


class ImagePool:
    """N images, numbered through the splits; `keys_N` (int64) are stable ids for seeded draws."""

    def __init__(self, parts: Sequence[tuple[PreparedSplit, np.ndarray]]) -> None:
        """`parts`: splits, and the rows of the studies whose images belong to the pool."""
        self.splits = [split for split, _ in parts]
        rows, places, keys = [], [], []
        for place, (split, studies) in enumerate(parts):
            first = split.index.first_image_S1
            images = np.flatnonzero(np.isin(split.index.image_study_M, studies))
            study = split.index.image_study_M[images]
            within = (images - first[study]).astype(np.uint64)
            rows.append(images)
            places.append(np.full(len(images), place))
            keys.append(split.index.sample_key_S[study].astype(np.uint64) ^ (within * np.uint64(_APART)))
        self.row_N, self.place_N = np.concatenate(rows), np.concatenate(places)
        self.keys_N = np.concatenate(keys).view(np.int64)

    def __len__(self) -> int:
        return len(self.row_N)

    def pixels(self, numbers: np.ndarray) -> np.ndarray:
        """uint8 [len(numbers), C, size, size]."""
        parts = [
            (chosen, split.pixels(self.row_N[numbers[chosen]]))
            for place, split in enumerate(self.splits)
            if len(chosen := np.flatnonzero(self.place_N[numbers] == place))
        ]
        result = np.empty((len(numbers), *parts[0][1].shape[1:]), dtype=np.uint8)
        for chosen, pixels in parts:
            result[chosen] = pixels
        return result


class ReportPool:
    """N reports; `keys_N` (int64) are stable ids for seeded draws."""

    def __init__(self, parts: Sequence[tuple[PreparedSplit, np.ndarray]]) -> None:
        """`parts`: splits, and the rows of the studies whose reports belong to the pool."""
        taken = [split.reports.take(rows) for split, rows in parts]
        lengths = np.concatenate([np.diff(part.offsets) for part in taken])
        self.reports = TokenisedReports(
            np.concatenate([part.tokens_T for part in taken]),
            np.concatenate([part.sentences_T for part in taken]),
            np.concatenate([part.words_T for part in taken]),
            np.concatenate(([0], np.cumsum(lengths))),
            np.concatenate([_impressions(part) for part in taken]),
        )
        self.keys_N = np.concatenate([split.index.sample_key_S[rows] for split, rows in parts])

    def __len__(self) -> int:
        return len(self.keys_N)


def _impressions(reports: TokenisedReports) -> np.ndarray:
    if reports.impression_N is None:
        return np.full(len(reports.offsets) - 1, NO_IMPRESSION, dtype=np.int32)
    return reports.impression_N


def pool_parts(
    kind: Literal["image", "text"], subset: Subset | None, data: PreparedData
) -> list[tuple[PreparedSplit, np.ndarray]]:
    """Splits and study rows that a stage learns from: never one of validation or test."""
    train = data.splits["train"]
    index = train.index
    if subset is not None:
        size = subset_size(len(index), subset.pairs, subset.fraction)
        order = seeded_order(index.study_ids, index.patient_ids, subset.seed)
        return [(train, np.sort(np.array(order[:size])))]
    unpaired = data.unpaired["images" if kind == "image" else "reports"]
    return [(train, np.arange(len(index))), (unpaired, np.arange(len(unpaired.index)))]
