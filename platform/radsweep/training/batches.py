"""Batches of augmented views of prepared studies: what one step sees.

Shapes: b studies of this worker, C channels, S side of the image, L tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from radsweep.augment.images import augment_images
from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextBatch, augment_texts, text_batch
from radsweep.data.decode import Decoder
from radsweep.data.epochs import batch_bounds, epoch_batches, image_of_view
from radsweep.data.prepared import PreparedData, first_images
from radsweep.data.tokenizer import ReportTokenizer
from radsweep.data.windows import streamed_batches
from radsweep.spec.trial import Trial
from radsweep.training.collectives import Workers


@dataclass(frozen=True)
class Batch:
    """This worker's share of a global batch."""

    studies: int  # in the global batch
    pixels_bCSS: tuple[Tensor, ...]  # one a view, float in [0, 1]
    texts: tuple[TextBatch, ...]  # one a view
    keys_b: Tensor  # of the samples in this epoch, for dropout

    def part(self, rows: slice) -> Batch:
        """Some of the share's studies."""
        return Batch(
            self.studies,
            tuple(pixels[rows] for pixels in self.pixels_bCSS),
            tuple(TextBatch(*(field[rows] for field in text)) for text in self.texts),
            self.keys_b[rows],
        )


PixelsOf = Callable[[np.ndarray], np.ndarray]  # image rows -> uint8 [n, C, S, S]


class TrainingData:
    """The subset of the training split that a trial uses, as one augmented epoch after another."""

    def __init__(
        self, data: PreparedData, rows: np.ndarray, tokenizer: ReportTokenizer, trial: Trial, workers: Workers
    ) -> None:
        self.split, self.shards = data.splits["train"], data.train_shards
        self.rows, self.tokenizer, self.trial, self.workers = rows, tokenizer, trial, workers
        self.batch_size = min(trial.train.batch_size, len(rows))
        self.steps_per_epoch = len(batch_bounds(len(rows), self.batch_size))

    def epoch(self, epoch: int, device: torch.device) -> Iterator[Batch]:
        """Every study of the subset once."""
        for rows, pixels_of in self._global_batches(epoch):
            own = rows[self.workers.share(len(rows))]
            yield self._batch(own, len(rows), epoch, device, pixels_of)

    def _global_batches(self, epoch: int) -> Iterator[tuple[np.ndarray, PixelsOf]]:
        seed = self.trial.train.seed
        if not self.shards:
            for rows in epoch_batches(self.rows, self.batch_size, seed, epoch):
                yield rows, self.split.pixels
            return
        from radsweep.data.stream import training_blocks  # Ray, which a cached trial does not need

        image = self.trial.model.image
        index = self.split.index
        decoder = Decoder(first_images({"train": index}, {"train": self.rows}), image.size, image.channels)
        blocks = training_blocks(self.shards, decoder, seed, epoch)
        for rows, window in streamed_batches(blocks, index, self.batch_size, seed, epoch):
            yield rows, window.pixels

    def _batch(self, rows: np.ndarray, studies: int, epoch: int, device: torch.device, pixels_of: PixelsOf) -> Batch:
        trial, index = self.trial, self.split.index
        seed = trial.train.seed
        samples_b = torch.from_numpy(index.sample_key_S[rows])
        pixels = []
        for view in range(trial.objective.views.image):
            images = image_of_view(index, rows, seed, epoch, view)
            keys_b = sample_keys(seed, samples_b, epoch, view, "image").to(device)
            raw = torch.from_numpy(pixels_of(images)).to(device)
            pixels.append(augment_images(raw, trial.augment.image, keys_b))
        texts = []
        for view in range(trial.objective.views.text):
            keys_b = sample_keys(seed, samples_b, epoch, view, "text")
            reports = augment_texts(self.split.reports.take(rows), trial.augment.text, keys_b)
            text = text_batch(reports, self.tokenizer.special, trial.model.text.max_tokens)
            texts.append(TextBatch(*(field.to(device) for field in text)))
        dropout_b = sample_keys(seed, samples_b, epoch, 0, "dropout").to(device)
        return Batch(studies, tuple(pixels), tuple(texts), dropout_b)
