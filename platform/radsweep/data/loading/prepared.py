"""Decoded and tokenised studies of one split, read by row without a copy and shared by all trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from radsweep.data.loading.index import SplitIndex
from radsweep.data.shards.schema import SPLITS, Manifest, Split
from radsweep.data.text.impressions import sections_of
from radsweep.data.text.tokenizer import TokenisedReports

Unpaired = Literal["images", "reports"]  # studies of the training split that lack the other part
Block = Any  # {"image": rows of the index [n], "pixels": uint8 [n, C, size, size]}, or a reference to one


@dataclass(frozen=True)
class PreparedSplit:
    """M images in blocks and S reports as tokens. An image that no trial needs has block -1 and was not decoded."""

    index: SplitIndex
    reports: TokenisedReports
    blocks: tuple[Block, ...]
    block_M: np.ndarray
    row_M: np.ndarray

    def materialise(self, fetch: Callable[[Sequence[Block]], list[Block]]) -> PreparedSplit:
        """Return the split with every block fetched; `fetch` is `ray.get` for references."""
        return PreparedSplit(self.index, self.reports, tuple(fetch(list(self.blocks))), self.block_M, self.row_M)

    def take(self, rows_N: np.ndarray) -> PreparedSplit:
        """Return the studies at `rows_N`, which ascend."""
        images = self.index.images_of(rows_N)
        return PreparedSplit(
            self.index.take(rows_N), self.reports.take(rows_N), self.blocks, self.block_M[images], self.row_M[images]
        )

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Return uint8 [len(images), C, size, size] for image rows of a materialised split.

        Raises:
            LookupError: an image was not prepared.
        """
        blocks, rows = self.block_M[images], self.row_M[images]
        if (blocks < 0).any():
            raise LookupError(f"{int((blocks < 0).sum())} images were left out when the data set was prepared")
        if len(self.blocks) == 1:
            return self.blocks[0]["pixels"][rows]
        result = np.empty((len(images), *self.blocks[0]["pixels"].shape[1:]), dtype=np.uint8)
        for block in np.unique(blocks):
            chosen = blocks == block
            result[chosen] = self.blocks[block]["pixels"][rows[chosen]]
        return result


def assemble(
    splits: Mapping[str, SplitIndex],
    reports: Mapping[str, TokenisedReports],
    places: Sequence[np.ndarray],
    blocks: Sequence[Block],
) -> dict[str, PreparedSplit]:
    """Build the splits from blocks in any order.

    `places[b]` holds the image number of each row of block b. Images are numbered through all splits, as in
    `first_images`.
    """
    total = sum(index.images for index in splits.values())
    block_M = np.full(total, -1, dtype=np.int32)
    row_M = np.zeros(total, dtype=np.int64)
    for number, place in enumerate(places):
        block_M[place] = number
        row_M[place] = np.arange(len(place))
    result: dict[str, PreparedSplit] = {}
    first = 0
    for name, index in splits.items():
        own = slice(first, first + index.images)
        result[name] = PreparedSplit(index, reports[name], tuple(blocks), block_M[own], row_M[own])
        first += index.images
    return result


def first_images(splits: Mapping[str, SplitIndex], wanted: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return {study id: number of its first image, counted through all splits}.

    Covers the studies at the rows in `wanted`, and all studies of a split that is not named there.
    """
    result: dict[str, int] = {}
    before = 0
    for name, index in splits.items():
        for row in wanted.get(name, np.arange(len(index))):
            result[index.study_ids[row]] = before + int(index.first_image_S1[row])
        before += index.images
    return result


@dataclass(frozen=True)
class PreparedData:
    """The pair splits of a data set for one image size, channel count and tokenizer."""

    splits: Mapping[Split, PreparedSplit]
    tokenizer: str  # its JSON, or the hub id or folder it is loaded from
    fingerprint: str  # of the data set
    decoded: int  # number of images decoded to make this
    train_shards: tuple[str, ...] = ()  # shards that training images are streamed from; empty if cached
    unpaired: Mapping[Unpaired, PreparedSplit] = field(default_factory=dict)  # of the training split, for adaptation
    name: str = ""
    labels: tuple[str, ...] = ()  # names of the columns of each index's `labels_SC`
    sections: tuple[str, ...] = ()  # of reports, in order of preference, as they were packed
    sets: tuple[PreparedData, ...] = ()  # further labelled data, only for evaluation

    def materialise(self, fetch: Callable[[Sequence[Block]], list[Block]]) -> PreparedData:
        """Return the data with the blocks of every split fetched; see `PreparedSplit.materialise`."""
        splits = {name: split.materialise(fetch) for name, split in self.splits.items()}
        unpaired = {kind: split.materialise(fetch) for kind, split in self.unpaired.items()}
        sets = tuple(each.materialise(fetch) for each in self.sets)
        return dataclasses.replace(self, splits=splits, unpaired=unpaired, sets=sets)


def prepared_data(
    prepared: Mapping[str, PreparedSplit],
    tokenizer: str,
    manifest: Manifest,
    decoded: int,
    train_shards: tuple[str, ...] = (),
) -> PreparedData:
    """Return the prepared data set, with pair splits and unpaired studies separated by their names."""
    splits = {split: prepared[split] for split in SPLITS if split in prepared}
    unpaired = {kind: prepared[kind] for kind in get_args(Unpaired) if kind in prepared}
    return PreparedData(
        splits,
        tokenizer,
        manifest.fingerprint,
        decoded,
        train_shards,
        unpaired,
        manifest.name,
        manifest.labels,
        sections_of(manifest.source),
    )
