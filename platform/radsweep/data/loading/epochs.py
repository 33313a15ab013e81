"""In which order an epoch visits the studies of a subset, and which of a study's images each view shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from radsweep.data.loading.index import SplitIndex

SMALLEST_BATCH = 8  # a smaller remainder joins the batch before: two studies make a poor contrast


def epoch_batches(rows: np.ndarray, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Global batches of study rows, each study once, in an order that depends on seed and epoch alone."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    for start, stop in batch_bounds(len(rows), batch_size):
        yield order[start:stop]


def batch_bounds(studies: int, batch_size: int) -> list[tuple[int, int]]:
    """Where batches start and stop: all of `batch_size` but the last, which holds what remains."""
    starts = list(range(0, studies, batch_size))
    if len(starts) > 1 and studies - starts[-1] < min(SMALLEST_BATCH, batch_size):
        starts.pop()
    return list(zip(starts, [*starts[1:], studies], strict=True))


def image_of_view(index: SplitIndex, rows: np.ndarray, seed: int, epoch: int, view: int) -> np.ndarray:
    """Image row that a view of each study shows: drawn each epoch, and different for the views of one study as long
    as the study has further images."""
    draw_S = np.random.default_rng([seed, epoch, 1]).random(len(index))[rows]
    first, stop = index.first_image_S1[rows], index.first_image_S1[rows + 1]
    count = stop - first
    return first + (np.floor(draw_S * count).astype(np.int64) + view) % count
