"""Shards to arrays: the studies of a data set, and their images decoded in this process."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from radsweep.data import storage
from radsweep.data.images.codec import PictureError, decode_square
from radsweep.data.images.preprocessing import Preprocessing, decode_as
from radsweep.data.loading.index import SplitIndex, read_split
from radsweep.data.loading.prepared import Block, PreparedData, Unpaired, assemble, first_images, prepared_data
from radsweep.data.shards.dataset import read_manifest, shard_paths
from radsweep.data.shards.schema import SPLITS, Manifest, Split, StudyKind
from radsweep.data.text.impressions import end_with_impression, sections_of
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.errors import InputError

DECODED_AT_ONCE = 128  # studies
LABELLED: tuple[StudyKind, ...] = ("pairs", "images")  # kinds that evaluation by labels reads


@dataclass(frozen=True)
class ShardIndex:
    """Pair splits of a packed data set, or all its studies with images, without pixels."""

    folder: str
    manifest: Manifest
    splits: Mapping[Split, SplitIndex]
    reports: Mapping[Split, list[str]]
    kinds: tuple[StudyKind, ...] = ("pairs",)
    held_out: frozenset[str] = frozenset()  # patients whose unpaired studies are excluded from training

    @property
    def joined(self) -> bool:
        """True if packing put the impression after another section; see `radsweep.data.text.impressions`."""
        return end_with_impression(sections_of(self.manifest.source))

    def paths(self, *splits: Split) -> list[str]:
        """Return the paths of the shards of these splits, or of all splits."""
        return _paths(self.folder, self.manifest, self.kinds, splits or tuple(self.splits))

    def unpaired_paths(self, kind: Unpaired) -> list[str]:
        """Return the paths of the shards of unpaired training images or reports."""
        return shard_paths(self.folder, self.manifest, kind, "train")

    def unpaired(self, kind: Unpaired) -> tuple[SplitIndex, list[str]]:
        """Return the index of the unpaired training images or reports, and their texts."""
        return read_split(self.unpaired_paths(kind), without=self.held_out)


def read_index(folder: str | Path, needed: Collection[Split] = SPLITS) -> ShardIndex:
    """Return the index of the pairs at `folder`.

    Args:
        needed: splits that must have pairs; empty if all pairs are split into folds.

    Raises:
        InputError: the data set does not exist, is damaged, or has no pairs to train and validate on.
    """
    manifest = read_manifest(folder)
    if not any(manifest.studies["pairs"].values()):
        raise InputError(
            f"{folder}: no study has both an image and a report. data.shards needs pairs; this data set can only be "
            "used in evaluate.sets"
        )
    splits, reports = {}, {}
    for split in SPLITS:
        splits[split], reports[split] = read_split(shard_paths(folder, manifest, "pairs", split), manifest.labels)
        if split in needed and len(splits[split]) < 2:
            raise InputError(
                f"{folder}: the {split} split has {len(splits[split])} pairs and needs 2; pack with other splits"
            )
    return ShardIndex(str(folder), manifest, splits, reports)


def read_labelled(folder: str | Path, splits: Collection[Split] = SPLITS) -> ShardIndex:
    """Return the index of every study that has an image, with or without a report, for evaluation by labels.

    Raises:
        InputError: the data set does not exist, is damaged, or has no labels.
    """
    manifest = read_manifest(folder)
    if not manifest.labels:
        raise InputError(f"{folder}: the data set has no labels; pack it with `--labels`")
    indices, reports = {}, {}
    for split in splits:
        indices[split], reports[split] = read_split(_paths(folder, manifest, LABELLED, (split,)), manifest.labels)
    return ShardIndex(str(folder), manifest, indices, reports, LABELLED)


def _paths(
    folder: str | Path, manifest: Manifest, kinds: Collection[StudyKind], splits: Collection[Split]
) -> list[str]:
    return [path for split in splits for kind in kinds for path in shard_paths(folder, manifest, kind, split)]


class Decoder:
    """Turn studies of a shard into rows of one image each: its row in the index and its pixels.

    Args:
        own: a model's own preprocessing, which makes squares of `size`; None for the letterbox.
    """

    def __init__(
        self, first_image: Mapping[str, int], size: int, channels: int, own: Preprocessing | None = None
    ) -> None:
        self.first_image, self.size, self.channels, self.own = first_image, size, channels, own

    def __call__(self, studies: pa.Table) -> Block:
        rows, pixels = [], []
        for study, images in zip(studies["study_id"].to_pylist(), studies["images"], strict=True):
            if study not in self.first_image:
                continue
            for row, image in zip(itertools.count(self.first_image[study]), images.as_py(), strict=False):
                rows.append(row)
                pixels.append(decode_image(image["data"], self.size, self.channels, self.own))
        shape = (len(pixels), self.channels, self.size, self.size)
        stacked = np.stack(pixels) if pixels else np.empty(shape, dtype=np.uint8)
        return {"image": np.array(rows, dtype=np.int64), "pixels": stacked}


def decode_image(data: bytes, size: int, channels: int, own: Preprocessing | None = None) -> np.ndarray:
    """Decode an image of a shard to uint8 [channels, size, size]; arguments as those of `Decoder`.

    Raises:
        InputError: the bytes are not a picture, so the shard was damaged after packing.
    """
    try:
        return decode_square(data, size, channels) if own is None else decode_as(data, own, channels)
    except PictureError:
        raise InputError(
            "a shard holds an image that cannot be decoded; run `radsweep inspect` and pack again"
        ) from None


def prepare_in_process(
    shards: ShardIndex,
    tokenizer: str,
    size: int,
    channels: int,
    unpaired: Collection[Unpaired] = (),
    own: Preprocessing | None = None,
) -> PreparedData:
    """Decode and tokenise everything in this process, for one evaluation or a test without a cluster.

    Args:
        own: as for `Decoder`.
    """
    indices, texts = with_unpaired(shards, unpaired)
    decoder = Decoder(first_images(indices, {}), size, channels, own)
    paths = shards.paths() + [path for kind in unpaired for path in shards.unpaired_paths(kind)]
    blocks = [
        decoder(pa.Table.from_batches([batch]))
        for path in paths
        for batch in storage.parquet(path).iter_batches(DECODED_AT_ONCE, columns=["study_id", "images"])
    ]
    loaded = load_tokenizer(tokenizer)
    reports = {name: loaded.tokenise(part, shards.joined) for name, part in texts.items()}
    numbers = [block["image"] for block in blocks]
    prepared = assemble(indices, reports, numbers, blocks)
    return prepared_data(prepared, tokenizer, shards.manifest, sum(map(len, numbers)))


def with_unpaired(
    shards: ShardIndex, unpaired: Collection[Unpaired]
) -> tuple[dict[str, SplitIndex], dict[str, list[str]]]:
    """Return indices and reports of the pair splits and of the requested unpaired studies."""
    indices: dict[str, SplitIndex] = {split: index for split, index in shards.splits.items()}  # noqa: C416 - str takes in the names of splits
    texts: dict[str, list[str]] = {split: reports for split, reports in shards.reports.items()}  # noqa: C416
    for kind in unpaired:
        indices[kind], texts[kind] = shards.unpaired(kind)
    return indices, texts
