"""Images per second into a training process, in three ways from the same shards: decoded and resized, not augmented.

- streaming: Ray Data reads and decodes the shards again in each epoch, as trials do if images do not fit into memory.
- cached: images are decoded once and then read from the object store, as trials do otherwise.
- torch_dataloader: the workers of a torch DataLoader keep encoded images in memory and decode them.

Only steady epochs are timed; preparation is part of the first one.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from common import Figures, phantom, run, short_trial, tell

from radsweep.config.trial import Trial
from radsweep.data.loading.decode import Decoder, ShardIndex, decode_image, read_index
from radsweep.data.loading.epochs import epoch_batches
from radsweep.data.loading.prepared import first_images


class ShardImages(torch.utils.data.Dataset[np.ndarray]):
    """Images of the training split by number, decoded on access."""

    def __init__(self, paths: list[str], size: int, channels: int) -> None:
        self.size, self.channels = size, channels
        tables = [pq.ParquetFile(path).read(columns=["images"]) for path in paths]
        self.encoded = [image["data"] for table in tables for images in table["images"].to_pylist() for image in images]

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, number: int) -> np.ndarray:
        return decode_image(self.encoded[number], self.size, self.channels)


def measure(folder: Path, quick: bool) -> Figures:
    from radsweep.cluster.connect import connect

    data_set = phantom(folder, 64 if quick else 3000, quick)
    trial = short_trial(data_set, {})
    shards = read_index(data_set)
    epochs = 1 if quick else 3
    connect()
    ways: dict[str, Callable[[ShardIndex, Trial], Callable[[], Iterable[np.ndarray]]]]
    ways = {"streaming": streaming, "cached": cached, "torch_dataloader": torch_dataloader}
    figures: Figures = {}
    for name, way in ways.items():
        tell(name)
        began = time.perf_counter()
        epoch = way(shards, trial)
        images = count(epoch())
        figures[f"{name}_first_epoch_s"] = time.perf_counter() - began
        if images != shards.splits["train"].images:
            raise SystemExit(f"{name}: {images} images, not the {shards.splits['train'].images} of the training split")
        rates = []
        for _ in range(epochs):
            began = time.perf_counter()
            rates.append(count(epoch()) / (time.perf_counter() - began))
        figures[f"{name}_images_per_s"] = statistics.median(rates)
    return figures | {"images": shards.splits["train"].images, "batch": trial.train.batch_size}


def count(batches: Iterable[np.ndarray]) -> int:
    return sum(len(batch) for batch in batches)


def streaming(shards: ShardIndex, trial: Trial) -> Callable[[], Iterable[np.ndarray]]:
    from radsweep.data.loading.stream import training_blocks

    image = trial.model.image
    decoder = Decoder(first_images({"train": shards.splits["train"]}, {}), image.size, image.channels)
    numbers = itertools.count()
    return lambda: (block["pixels"] for block in training_blocks(shards.paths("train"), decoder, 0, next(numbers)))


def cached(shards: ShardIndex, trial: Trial) -> Callable[[], Iterable[np.ndarray]]:
    import ray

    from radsweep.data.loading.stream import prepare_data
    from radsweep.data.text.tokenizer import train_tokenizer

    reports = zip(shards.splits["train"].patient_ids, shards.reports["train"], strict=True)
    tokenizer = train_tokenizer(reports, trial.model.text.vocabulary)
    image = trial.model.image
    split = prepare_data(shards, tokenizer, image.size, image.channels, {}).materialise(ray.get).splits["train"]

    def epoch() -> Iterable[np.ndarray]:
        for rows in epoch_batches(np.arange(split.index.images), trial.train.batch_size, 0, 0):
            yield split.pixels(rows)

    return epoch


def torch_dataloader(shards: ShardIndex, trial: Trial) -> Callable[[], Iterable[np.ndarray]]:
    image = trial.model.image
    loader = torch.utils.data.DataLoader(
        ShardImages(shards.paths("train"), image.size, image.channels),
        batch_size=trial.train.batch_size,
        shuffle=True,
        num_workers=os.cpu_count() or 1,
        persistent_workers=True,
        collate_fn=np.stack,
    )
    return lambda: loader


if __name__ == "__main__":
    run(measure)
