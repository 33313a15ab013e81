"""Order in which an epoch visits the studies of a subset, and the image of a study that each view shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from radsweep.config.training import SMALLEST_REST
from radsweep.data.loading.index import SplitIndex


def epoch_batches(rows: np.ndarray, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Yield global batches of study rows, each study once, in an order that depends only on seed and epoch."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    for start, stop in batch_bounds(len(rows), batch_size):
        yield order[start:stop]


def steps_of_epoch(studies: int, batch_size: int) -> int:
    """Return the number of batches, each of which is a step."""
    return len(batch_bounds(studies, batch_size))


def batch_bounds(studies: int, batch_size: int) -> list[tuple[int, int]]:
    """Return (start, stop) of each batch. All have `batch_size` studies, but the last holds the remainder.

    A remainder of a few studies joins the batch before it: two studies make a poor contrast. One of less than half a
    batch shares with the batch before it, half and half. So each of several batches has `smallest_batch` studies: at
    least one for every worker, and the same for any number of workers.
    """
    starts = list(range(0, studies, batch_size))
    rest = studies - starts[-1]
    if len(starts) > 1 and rest < min(SMALLEST_REST, batch_size):
        starts.pop()
    elif len(starts) > 1 and 2 * rest < batch_size:
        starts[-1] = starts[-2] + (batch_size + rest + 1) // 2
    return list(zip(starts, [*starts[1:], studies], strict=True))


def image_of_view(index: SplitIndex, rows: np.ndarray, seed: int, epoch: int, view: int) -> np.ndarray:
    """Return the image row that a view of each study shows.

    It is drawn each epoch, and differs between the views of one study as long as the study has further images.
    """
    draw_S = np.random.default_rng([seed, epoch, 1]).random(len(index))[rows]
    first, stop = index.first_image_S1[rows], index.first_image_S1[rows + 1]
    count = stop - first
    return first + (np.floor(draw_S * count).astype(np.int64) + view) % count
