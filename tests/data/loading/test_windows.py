"""Streaming from shards: every study once with its own pixels, in the same order each time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from radsweep.data.loading import windows
from radsweep.data.loading.epochs import batch_bounds
from radsweep.data.loading.index import SplitIndex
from radsweep.data.loading.windows import streamed_batches


def index_of(studies: int, seed: int = 0) -> SplitIndex:
    first = np.concatenate([[0], np.cumsum(np.random.default_rng(seed).integers(1, 4, studies))])
    names = tuple(f"s{study}" for study in range(studies))
    return SplitIndex(names, names, first, np.arange(studies), np.arange(studies), np.empty((studies, 0)))


def blocks_of(images: np.ndarray, cut: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield blocks of `cut` images, so that studies are cut in two; the value of a pixel is its image's number."""
    for start in range(0, len(images), cut):
        part = images[start : start + cut]
        yield {"image": part, "pixels": np.broadcast_to(part[:, None, None, None], (len(part), 1, 2, 2)).copy()}


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize("window", [16, 10_000])
@pytest.mark.parametrize("studies", [5, 32, 100])
def test_every_study_comes_once_with_its_own_pixels(
    studies: int, window: int, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", window)
    index = index_of(studies)
    seen: list[int] = []
    sizes = []
    for rows, pixels in streamed_batches(blocks_of(np.arange(index.images), cut), index, 16, 0, 0):
        sizes.append(len(rows))
        seen += rows.tolist()
        images = index.first_image_S1[rows + 1] - 1
        assert pixels.pixels(images)[:, 0, 0, 0].tolist() == images.tolist()
    assert sorted(seen) == list(range(studies))
    assert sizes == [stop - start for start, stop in batch_bounds(studies, 16)]


def test_only_images_that_arrive_are_used() -> None:
    index = index_of(40)
    wanted = np.array([3, 4, 17, 30])
    images = np.concatenate([np.arange(index.first_image_S1[row], index.first_image_S1[row + 1]) for row in wanted])
    (batch,) = streamed_batches(blocks_of(images, 3), index, 16, 0, 0)
    assert sorted(batch[0]) == wanted.tolist()


def test_the_order_depends_only_on_seed_and_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 30)
    index = index_of(60)

    def order(seed: int, epoch: int) -> list[int]:
        batches = streamed_batches(blocks_of(np.arange(index.images), 9), index, 8, seed, epoch)
        return [row for rows, _ in batches for row in rows]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


def test_memory_is_limited_to_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 64)
    index = index_of(2000)
    held = [
        len(pixels.images) for _, pixels in streamed_batches(blocks_of(np.arange(index.images), 10), index, 16, 0, 0)
    ]
    assert max(held) < 64 + 10 + 3 * 32
