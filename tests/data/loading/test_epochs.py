"""Batches of an epoch: every study once, and none too small for its workers."""

from __future__ import annotations

import numpy as np
import pytest

from radsweep.config.training import smallest_batch
from radsweep.data.loading.epochs import batch_bounds, epoch_batches
from radsweep.training.collectives import Workers


@pytest.mark.parametrize("batch_size", [2, 5, 8, 9, 10, 15, 30, 64, 128])
def test_the_last_batch_has_at_least_one_study_a_worker(batch_size: int) -> None:
    """Row 12, for every number of studies and every number of workers that the settings admit."""
    workers = [world for world in range(1, batch_size + 1) if world <= smallest_batch(batch_size)]
    for studies in range(batch_size, 6 * batch_size):
        sizes = [stop - start for start, stop in batch_bounds(studies, batch_size)]
        assert sum(sizes) == studies
        assert max(sizes) < batch_size + 8
        assert min(sizes) >= smallest_batch(batch_size)
        for size in set(sizes):
            assert all(_smallest_share(size, world) >= 1 for world in workers)


def _smallest_share(size: int, world: int) -> int:
    return min(len(range(size)[Workers(rank, world).share(size)]) for rank in range(world))


@pytest.mark.parametrize(
    ("studies", "expected"),
    [
        (40, [20, 20]),
        (100, [20] * 5),
        (107, [20] * 4 + [27]),  # seven join the batch before them
        (108, [20] * 4 + [14, 14]),  # eight share with it
        (109, [20] * 4 + [15, 14]),
        (110, [20] * 5 + [10]),  # half a batch is one
        (13, [13]),
        (1, [1]),
    ],
)
def test_a_remainder_joins_or_shares_with_the_batch_before_it(studies: int, expected: list[int]) -> None:
    assert [stop - start for start, stop in batch_bounds(studies, 20)] == expected


def test_an_epoch_has_every_study_once_in_an_order_of_its_own() -> None:
    rows = np.arange(100, 171)
    first, second = (np.concatenate(list(epoch_batches(rows, 30, seed=0, epoch=epoch))) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == rows.tolist()
    assert first.tolist() != second.tolist()
