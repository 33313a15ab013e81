"""Shards to prepared data with Ray Data: every image is decoded once and shared by all trials of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import ray

from radsweep.data.images.preprocessing import Preprocessing
from radsweep.data.loading.decode import DECODED_AT_ONCE, Decoder, ShardIndex, with_unpaired
from radsweep.data.loading.prepared import Block, PreparedData, Unpaired, assemble, first_images, prepared_data
from radsweep.data.shards.dataset import damage
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.errors import InputError


def prepare_data(
    shards: ShardIndex,
    tokenizer: str,
    size: int,
    channels: int,
    wanted: Mapping[str, np.ndarray],
    streamed: bool = False,
    unpaired: Collection[Unpaired] = (),
    progress: Callable[[int], None] = lambda images: None,
    own: Preprocessing | None = None,
) -> PreparedData:
    """Decode and tokenise once. The images stay in Ray's object store, owned by this process.

    Args:
        tokenizer: its JSON, hub id or folder.
        size, channels: side in pixels and number of channels of the square images.
        wanted: study rows to decode, by split; a split that is not named is decoded in full.
        streamed: leave the training images in their shards; each trial reads them from there, epoch by epoch.
        unpaired: further studies of the training split, decoded in full.
        progress: called with the number of images decoded so far.
        own: a model's own preprocessing, which makes squares of `size`; None for the letterbox.
    """
    ray.data.DataContext.get_current().enable_progress_bars = False
    if streamed:
        wanted = {"train": np.empty(0, dtype=np.int64)}
    indices, texts = with_unpaired(shards, unpaired)
    decoder = Decoder(first_images(indices, wanted), size, channels, own)
    paths = shards.paths(*(("validation", "test") if streamed else ()))
    paths += [path for kind in unpaired for path in shards.unpaired_paths(kind)]
    blocks, places = [], []
    with _naming_shards(paths):
        decoded = _decoded(paths, decoder).to_numpy_refs()
    for block in decoded:
        place = ray.get(_image_numbers.remote(block))
        if len(place):
            blocks.append(block)
            places.append(place)
            progress(sum(map(len, places)))
    loaded = load_tokenizer(tokenizer)
    reports = {name: loaded.tokenise(part, shards.joined) for name, part in texts.items()}
    prepared = assemble(indices, reports, places, blocks)
    train_shards = tuple(shards.paths("train")) if streamed else ()
    return prepared_data(prepared, tokenizer, shards.manifest, sum(map(len, places)), train_shards)


def training_blocks(paths: Sequence[str], decoder: Decoder, seed: int, epoch: int) -> Iterator[Block]:
    """Yield decoded blocks of one epoch, read as they are used. Seed and epoch determine the order of the shards."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    order = np.random.default_rng([seed, epoch, 3]).permutation(len(paths))
    blocks = _decoded([paths[number] for number in order], decoder)
    with _naming_shards(paths):
        yield from blocks.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1)


@contextmanager
def _naming_shards(paths: Sequence[str]) -> Iterator[None]:
    """Name the damaged shard if a read in this context fails; Ray's own error is a page long."""
    try:
        yield
    except Exception as error:
        for path in paths:
            if reason := damage(path):
                raise InputError(f"shard {path} {reason}; copy it again") from error
        raise


def _decoded(paths: Sequence[str], decoder: Decoder) -> ray.data.Dataset:
    dataset = ray.data.read_parquet(list(paths)).select_columns(["study_id", "images"])
    return dataset.map_batches(decoder, batch_size=DECODED_AT_ONCE, batch_format="pyarrow")


@ray.remote(num_cpus=0)
def _image_numbers(block: Block) -> np.ndarray:
    """Return the numbers of the block's images; its pixels stay on their node."""
    return block["image"]
