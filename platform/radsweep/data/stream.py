"""Shards to prepared data with Ray Data: every image is decoded once, and shared by all trials of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import ray

from radsweep.data.decode import DECODED_AT_ONCE, Decoder, ShardIndex
from radsweep.data.prepared import Block, PreparedData, assemble, first_images
from radsweep.data.schema import Split
from radsweep.data.tokenizer import load_tokenizer


def prepare_data(
    shards: ShardIndex,
    tokenizer: str,
    size: int,
    channels: int,
    wanted: Mapping[Split, np.ndarray],
    progress: Callable[[int], None] = lambda images: None,
) -> PreparedData:
    """Decode and tokenise once; the images stay in Ray's object store, owned by this process.

    Args:
        tokenizer: JSON, hub id or folder.
        size, channels: of the square images.
        wanted: study rows to decode, by split; a split that is not named is decoded whole.
        progress: is told how many images have been decoded so far.
    """
    ray.data.DataContext.get_current().enable_progress_bars = False
    decoder = Decoder(first_images(shards.splits, wanted), size, channels)
    dataset = ray.data.read_parquet(shards.paths()).select_columns(["study_id", "images"])
    dataset = dataset.map_batches(decoder, batch_size=DECODED_AT_ONCE, batch_format="pyarrow")
    blocks, places = [], []
    for block in dataset.to_numpy_refs():
        place = ray.get(_image_numbers.remote(block))
        if len(place):
            blocks.append(block)
            places.append(place)
            progress(sum(map(len, places)))
    loaded = load_tokenizer(tokenizer)
    reports = {split: loaded.tokenise(texts) for split, texts in shards.reports.items()}
    splits = assemble(shards.splits, reports, places, blocks)
    return PreparedData(splits, tokenizer, shards.manifest.fingerprint, sum(map(len, places)))


@ray.remote(num_cpus=0)
def _image_numbers(block: Block) -> np.ndarray:
    """The numbers of the block's images; its pixels stay on their node."""
    return block["image"]
