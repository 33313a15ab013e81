"""Batches of decoded blocks that arrive shard by shard, shuffled within a window in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from radsweep.data.loading.epochs import batch_bounds
from radsweep.data.loading.index import SplitIndex
from radsweep.data.loading.prepared import Block

WINDOW = 2048  # studies that are shuffled together


class DecodedImages:
    """Decoded images by their row in the index."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        parts = list(blocks)
        images = np.concatenate([part["image"] for part in parts])
        order = np.argsort(images, kind="stable")
        self.images = images[order]
        self.array = np.concatenate([part["pixels"] for part in parts])[order]

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Return uint8 [len(images), C, size, size] for rows in the index."""
        return self.array[np.searchsorted(self.images, images)]

    def without(self, images: np.ndarray) -> Block:
        """Return the other images as a block."""
        kept = ~np.isin(self.images, images)
        return {"image": self.images[kept], "pixels": self.array[kept]}


def streamed_batches(
    blocks: Iterable[Block], index: SplitIndex, batch_size: int, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, DecodedImages]]:
    """Yield (study rows of a global batch, their images), with every study of the blocks once.

    The order depends on the order of the blocks, the seed and the epoch: the same shards give the same batches. Memory
    holds only a window of studies and the current batch. Batch sizes are those of `epoch_batches`.
    """
    generator = np.random.default_rng([seed, epoch, 2])
    images_S = np.diff(index.first_image_S1)
    held: list[Block] = []
    waiting = np.empty(0, dtype=np.int64)  # rows in the order of use, before those of the window
    for block in blocks:
        held.append(block)
        if sum(len(part["image"]) for part in held) < WINDOW:
            continue
        window = DecodedImages(held)
        arrived = _complete(window, index, images_S)
        fresh = arrived[~np.isin(arrived, waiting)]
        waiting = np.concatenate([waiting, generator.permutation(fresh)])
        done: list[np.ndarray] = []
        while len(waiting) >= 2 * batch_size:  # the rest has the bounds that it would have in one piece
            yield waiting[:batch_size], window
            done.append(waiting[:batch_size])
            waiting = waiting[batch_size:]
        used = np.concatenate(done) if done else np.empty(0, dtype=np.int64)
        held = [window.without(_images_of(used, index))]
    if held:
        window = DecodedImages(held)
        arrived = _complete(window, index, images_S)
        waiting = np.concatenate([waiting, generator.permutation(arrived[~np.isin(arrived, waiting)])])
        for start, stop in batch_bounds(len(waiting), batch_size):
            yield waiting[start:stop], window


def _complete(window: DecodedImages, index: SplitIndex, images_S: np.ndarray) -> np.ndarray:
    """Return the rows of the studies whose images have all arrived."""
    study = np.searchsorted(index.first_image_S1, window.images, side="right") - 1
    rows, counts = np.unique(study, return_counts=True)
    return rows[counts == images_S[rows]]


def _images_of(rows: np.ndarray, index: SplitIndex) -> np.ndarray:
    if len(rows) == 0:
        return rows
    return np.concatenate([np.arange(index.first_image_S1[row], index.first_image_S1[row + 1]) for row in rows])
