"""Ranks of best positives in a score matrix that is never held whole: computed tile by tile, each tile used both ways.

Rows are what images are pooled to (studies, or single images), columns are reports. A tile fits the processor's cache,
so that counting costs little beside the matrix product.

Shapes: M images, R rows, C columns, D width of the embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

TIE = 1e-6  # cosines closer than this count as equal: float32 rounding depends on the position of a row in a matrix
Array = Tensor | np.ndarray
Score = Callable[[slice, slice], Tensor]  # some of the images, some of the reports -> their scores


class Reading(NamedTuple):
    """Positives: a row and a column with the same number. Both ascend, and have the same numbers."""

    row_R: np.ndarray
    column_C: np.ndarray


class Ranks(NamedTuple):
    """Rank of the best positive: 1 + number of non-positives above it + half of those that tie with it."""

    row_R: np.ndarray  # among the columns
    column_C: np.ndarray  # among the rows


def unit_rows(embedding: Array, name: str) -> Tensor:
    """Embeddings [N, D] in float32 at unit length. Raises ValueError: not two-dimensional, or not finite."""
    embedding_ND = torch.as_tensor(embedding).detach().float()
    if embedding_ND.ndim != 2:
        raise ValueError(f"{name} embeddings: expected two dimensions, found {tuple(embedding_ND.shape)}")
    if not bool(torch.isfinite(embedding_ND).all()):
        raise ValueError(f"{name} embeddings are not finite (NaN or infinity): the model has diverged")
    return torch.nn.functional.normalize(embedding_ND, dim=1)


class ScoreMatrix:
    """The score of a row with a column is the largest score of any of the row's images with the report."""

    def __init__(self, score: Score, images_R: np.ndarray, columns: int, device: torch.device, chunk: int) -> None:
        """`images_R`: how many images each row has, in their order; `chunk`: rows and columns of a tile."""
        self._score, self._images_R, self._chunk = score, images_R, chunk
        self._first_R1 = np.concatenate([[0], np.cumsum(images_R)])
        self.rows, self.columns, self.device = len(images_R), columns, device

    def tiles(self) -> Iterator[tuple[slice, slice]]:
        for row in range(0, self.rows, self._chunk):
            for column in range(0, self.columns, self._chunk):
                yield (
                    slice(row, min(row + self._chunk, self.rows)),
                    slice(column, min(column + self._chunk, self.columns)),
                )

    def __getitem__(self, tile: tuple[slice, slice]) -> Tensor:
        rows, columns = tile
        first_R, images_R = self._first_R1[rows], self._images_R[rows]
        low, high = int(first_R[0]), int(self._first_R1[rows.stop])
        scores_MC = self._score(slice(low, high), columns)
        if high - low == len(images_R):
            return scores_MC
        best_RC = scores_MC[torch.from_numpy(first_R - low).to(self.device)]
        for view in range(1, int(images_R.max())):
            has = np.flatnonzero(images_R > view)
            other_RC = scores_MC[torch.from_numpy(first_R[has] - low + view).to(self.device)]
            at = torch.from_numpy(has).to(self.device)
            best_RC[at] = torch.maximum(best_RC[at], other_RC)
        return best_RC


def middle_ranks(scores: ScoreMatrix, readings: Sequence[Reading]) -> list[Ranks]:
    """For each reading the ranks of every row and every column; each has a positive. Memory beyond the embeddings:
    a few tiles, so it does not grow with rows x columns."""
    marks = [[torch.from_numpy(ids).to(scores.device) for ids in reading] for reading in readings]
    best = [_filled(scores, -torch.inf) for _ in readings]
    for tile in scores.tiles():
        within = [number for number, reading in enumerate(readings) if _has_positives(reading, tile)]
        scores_RC = scores[tile] if within else None
        for number in within:
            assert scores_RC is not None
            positive_RC = scores_RC.masked_fill(~_same(marks[number], tile), -torch.inf)
            for axis, best_N in enumerate(best[number]):
                torch.maximum(best_N[tile[axis]], positive_RC.amax(1 - axis), out=best_N[tile[axis]])

    twice = [_filled(scores, 0.0) for _ in readings]  # non-positives above the best, and those not below it
    for tile in scores.tiles():
        scores_RC = scores[tile]
        count_RC = torch.empty_like(scores_RC)
        for reading, mark, best_of, twice_of in zip(readings, marks, best, twice, strict=True):
            others_RC = scores_RC
            if _has_positives(reading, tile):
                others_RC = scores_RC.masked_fill(_same(mark, tile), -torch.inf)
            for axis, (best_N, twice_N) in enumerate(zip(best_of, twice_of, strict=True)):
                level = best_N[tile[axis]].unsqueeze(1 - axis)
                # a float32 count is exact to 16 million, and summed several times faster than a boolean one
                twice_N[tile[axis]] += torch.gt(others_RC, level + TIE, out=count_RC).sum(1 - axis)
                twice_N[tile[axis]] += torch.ge(others_RC, level - TIE, out=count_RC).sum(1 - axis)
    return [Ranks(*(1 + twice_N.cpu().numpy().astype(np.float64) / 2 for twice_N in pair)) for pair in twice]


def _filled(scores: ScoreMatrix, value: float) -> list[Tensor]:
    return [torch.full((size,), value, device=scores.device) for size in (scores.rows, scores.columns)]


def _has_positives(reading: Reading, tile: tuple[slice, slice]) -> bool:
    row_R, column_C = (ids[part] for ids, part in zip(reading, tile, strict=True))
    return bool(row_R[0] <= column_C[-1] and column_C[0] <= row_R[-1])


def _same(mark: Sequence[Tensor], tile: tuple[slice, slice]) -> Tensor:
    return mark[0][tile[0], None] == mark[1][None, tile[1]]
