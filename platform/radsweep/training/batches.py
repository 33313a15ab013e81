"""Batches of augmented views of prepared studies: what one step sees.

Shapes: b studies of this worker, C channels, S side of the image, L tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from radsweep.augment.images import augment_images
from radsweep.augment.masking import MaskedTexts, mask_tokens
from radsweep.augment.random import sample_keys
from radsweep.augment.text import TextAugmenter, TextBatch, text_batch
from radsweep.config.augmentation import ImageAugmentation
from radsweep.config.terms import Need
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import Decoder
from radsweep.data.loading.epochs import epoch_batches, image_of_view, steps_of_epoch
from radsweep.data.loading.prepared import PreparedData, first_images
from radsweep.data.loading.windows import streamed_batches
from radsweep.data.text.tokenizer import ReportTokenizer
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.objectives.relations import relate
from radsweep.objectives.report_similarity import ReportSimilarity
from radsweep.objectives.soft_targets import label_similarity
from radsweep.objectives.views import Relations, Rows
from radsweep.training.context import RunContext
from radsweep.training.embedder import Frozen


@dataclass(frozen=True)
class Batch:
    """This worker's share of a global batch."""

    studies: int  # in the global batch
    pixels_bCSS: tuple[Tensor, ...]  # one a view, float in [0, 1]
    texts: tuple[TextBatch, ...]  # one a view
    keys_b: Tensor  # of the samples in this epoch, for dropout
    image_bP: tuple[Tensor, ...] = ()  # one a view, in place of pixels: features of a frozen tower
    text_bP: tuple[Tensor, ...] = ()  # one a view, in place of texts
    ssl_pixels_bCSS: tuple[Tensor, ...] = ()  # two strong views of one image
    masked: MaskedTexts | None = None  # the first text view with tokens hidden
    rows: Rows | None = None  # of the global batch
    relations: Relations | None = None  # of the global batch
    similarity_BB: Tensor | None = None  # of the global batch, for soft targets

    def part(self, rows: slice) -> Batch:
        """Some of the share's studies."""
        return replace(
            self,
            pixels_bCSS=tuple(pixels[rows] for pixels in self.pixels_bCSS),
            texts=tuple(TextBatch(*(field[rows] for field in text)) for text in self.texts),
            keys_b=self.keys_b[rows],
            image_bP=tuple(features[rows] for features in self.image_bP),
            text_bP=tuple(features[rows] for features in self.text_bP),
            ssl_pixels_bCSS=tuple(pixels[rows] for pixels in self.ssl_pixels_bCSS),
            masked=MaskedTexts(*(field[rows] for field in self.masked)) if self.masked else None,
        )


AT_ONCE = 1024  # reports

PixelsOf = Callable[[np.ndarray], np.ndarray]  # image rows -> uint8 [n, C, S, S]


class TrainingData:
    """The subset of the training split that a trial uses, as one augmented epoch after another."""

    def __init__(
        self,
        data: PreparedData,
        rows: np.ndarray,
        tokenizer: ReportTokenizer,
        trial: Trial,
        context: RunContext,
        frozen: Frozen | None = None,
    ) -> None:
        self.split, self.shards = data.splits["train"], data.train_shards
        self.rows, self.tokenizer, self.trial, self.needs = rows, tokenizer, trial, trial.objective.needs
        self.workers, self.device = context.workers, context.device
        self.frozen = {tower: features["train"] for tower, features in (frozen or {}).items()}
        self.batch_size = min(trial.train.batch_size, len(rows))
        self.steps_per_epoch = steps_of_epoch(len(rows), self.batch_size)
        self.augment_texts = TextAugmenter(trial.augment.text, tokenizer)
        words = trial.augment.text.words
        self.similarity = ReportSimilarity(tokenizer, words) if trial.objective.compares_words else None
        index = self.split.index
        self.patient_S = np.unique(index.patient_ids, return_inverse=True)[1].astype(np.int64)

    def epoch(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        """Every study of the subset once, but for those of the first `done` batches."""
        for rows, pixels_of in islice(self._global_batches(epoch), done, None):
            own = rows[self.workers.share(len(rows))]
            texts = [] if "text" in self.frozen else self._texts(own, epoch)
            related = self._rows(rows, texts)
            yield replace(
                self._batch(own, texts, len(rows), epoch, pixels_of),
                rows=related,
                relations=self._relations(related),
                similarity_BB=self._similarities(rows),
            )

    def _global_batches(self, epoch: int) -> Iterator[tuple[np.ndarray, PixelsOf]]:
        seed = self.trial.train.seed
        if not self.shards:
            for rows in epoch_batches(self.rows, self.batch_size, seed, epoch):
                yield rows, self.split.pixels
            return
        from radsweep.data.loading.stream import training_blocks  # Ray, which a cached trial does not need

        image = self.trial.cached_image
        index = self.split.index
        own = preprocessing_of(image)
        decoder = Decoder(first_images({"train": index}, {"train": self.rows}), image.size, image.channels, own)
        blocks = training_blocks(self.shards, decoder, seed, epoch)
        for rows, window in streamed_batches(blocks, index, self.batch_size, seed, epoch):
            yield rows, window.pixels

    def _texts(self, rows: np.ndarray, epoch: int) -> list[TextBatch]:
        """The text views of a worker's share, on the CPU."""
        samples_b, text = torch.from_numpy(self.split.index.sample_key_S[rows]), self.trial.model.text
        written, texts = self.split.reports.take(rows), []
        for view in range(self.trial.objective.views.text):
            reports = self.augment_texts(written, sample_keys(self.trial.train.seed, samples_b, epoch, view, "text"))
            texts.append(text_batch(reports, self.tokenizer.special, text.max_tokens, text.truncation))
        return texts

    def _batch(self, rows: np.ndarray, texts: list[TextBatch], studies: int, epoch: int, pixels_of: PixelsOf) -> Batch:
        trial, index, device = self.trial, self.split.index, self.device
        seed, objective = trial.train.seed, trial.objective
        samples_b = torch.from_numpy(index.sample_key_S[rows])

        def augmented(settings: ImageAugmentation, shown: int, view: int, purpose: str) -> Tensor:
            raw = torch.from_numpy(pixels_of(image_of_view(index, rows, seed, epoch, shown))).to(device)
            keys_b = sample_keys(seed, samples_b, epoch, view, purpose).to(device)
            return augment_images(raw, settings, keys_b, trial.model.image.size)

        pixels: tuple[Tensor, ...] = ()
        image_bP: tuple[Tensor, ...] = ()
        if "image" in self.frozen:
            shown = (image_of_view(index, rows, seed, epoch, view) for view in range(objective.views.image))
            image_bP = tuple(self.frozen["image"][torch.from_numpy(images)].to(device) for images in shown)
        else:
            views = range(objective.views.image)
            pixels = tuple(augmented(trial.augment.image, view, view, "image") for view in views)
        ssl: tuple[Tensor, ...] = ()
        if Need.STRONG_VIEWS in self.needs:
            ssl = tuple(augmented(trial.augment.ssl, 0, view, "image ssl") for view in range(2))
        text_bP: tuple[Tensor, ...] = ()
        if "text" in self.frozen:
            text_bP = (self.frozen["text"][torch.from_numpy(rows)].to(device),) * objective.views.text
        masked = None
        if Need.MASKED_TOKENS in self.needs:
            keys_b = sample_keys(seed, samples_b, epoch, 0, "mask")
            special, vocabulary = self.tokenizer.special, self.tokenizer.vocabulary
            settings = objective.text_ssl
            hidden = mask_tokens(texts[0], special, vocabulary, settings.mask, keys_b, settings.mask_unit)
            masked = MaskedTexts(*(field.to(device) for field in hidden))
        dropout_b = sample_keys(seed, samples_b, epoch, 0, "dropout").to(device)
        moved = tuple(TextBatch(*(field.to(device) for field in text)) for text in texts)
        return Batch(studies, pixels, moved, dropout_b, image_bP, text_bP, ssl, masked)

    def _rows(self, rows: np.ndarray, texts: list[TextBatch]) -> Rows:
        """The studies of the global batch; `texts` are those of this worker's share."""
        study_B, patient_B, report_B = (
            torch.from_numpy(numbers).to(self.device)
            for numbers in (rows, self.patient_S[rows], self.split.index.report_group_S[rows])
        )
        views = self.trial.objective.views.text
        if self.trial.objective.positives.same_report is None:
            return Rows(study_B, patient_B, study_B, study_B[:, None].expand(-1, views))
        if "text" in self.frozen:
            seen_B = torch.from_numpy(self.frozen_keys_S[rows]).to(self.device)
            return Rows(study_B, patient_B, report_B, seen_B[:, None].expand(-1, views))
        seen_bV = torch.stack([text_keys(text) for text in texts], dim=1)
        return Rows(study_B, patient_B, report_B, self.workers.gather(seen_bV.to(self.device)))

    @cached_property
    def frozen_keys_S(self) -> np.ndarray:
        """`text_keys` of the subset's reports, which a frozen tower reads as they are in every step."""
        keys_S = np.zeros(len(self.split.index), dtype=np.int64)
        for start in range(0, len(self.rows), AT_ONCE):
            rows = self.rows[start : start + AT_ONCE]
            keys_S[rows] = text_keys(self._texts(rows, epoch=0)[0]).numpy()
        return keys_S

    def _relations(self, rows: Rows) -> Relations | None:
        positives = self.trial.objective.positives
        alike_BB = None
        if self.similarity is not None and positives.same_report is not None:
            least_BB = self.similarity.least(self.split.reports.take(rows.study_B.cpu().numpy()))
            alike_BB = torch.from_numpy(least_BB >= positives.same_report)  # quotients: 4 of 5 are at least 0.8
        return relate(rows, alike_BB, positives.same_patient == "ignored")

    def _similarities(self, rows: np.ndarray) -> Tensor | None:
        """Similarities that soft targets follow; 1 for reports that read the same, even if a word is unknown."""
        by = self.trial.objective.contrast.softened_by
        if by is None:
            return None
        if by == "labels":
            return label_similarity(torch.from_numpy(self.split.index.labels_SC[rows])).to(self.device)
        assert self.similarity is not None
        group_B = self.split.index.report_group_S[rows]
        mean_BB = np.where(group_B[:, None] == group_B, 1.0, self.similarity.mean(self.split.reports.take(rows)))
        return torch.from_numpy(mean_BB).to(self.device)


def text_keys(text: TextBatch) -> Tensor:
    """int64 [B]: a number of what the text tower reads of each text, the same for the same tokens on every machine."""
    rows = zip(text.ids_BL.numpy(), text.mask_BL.numpy(), strict=True)
    digests = (hashlib.blake2b(ids_L[mask_L].tobytes(), digest_size=8).digest() for ids_L, mask_L in rows)
    return torch.from_numpy(np.frombuffer(b"".join(digests), dtype="<i8").copy())
