"""A split embedded by all workers together, and ranked on its full pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from radsweep.augment.images import plain_images
from radsweep.augment.text import TextBatch, text_batch
from radsweep.config.model import Truncation
from radsweep.data.loading.prepared import PreparedSplit
from radsweep.data.shards.schema import Split
from radsweep.data.text.tokenizer import ReportTokenizer, TokenisedReports
from radsweep.evaluation.retrieval import Ranked, ranked
from radsweep.models.features import ImageFeatures, TextFeatures
from radsweep.models.vlm import VisionLanguageModel
from radsweep.objectives.views import Words
from radsweep.training.collectives import Workers

ROWS = 128  # embedded at a time

Frozen = Mapping[str, Mapping[Split, Tensor]]  # image or text -> split -> pooled features of each image, each report


@dataclass(frozen=True)
class Embedder:
    """A model, and what it takes to embed a split with it."""

    model: VisionLanguageModel
    tokenizer: ReportTokenizer
    max_tokens: int
    device: torch.device
    workers: Workers
    frozen: Frozen = field(default_factory=dict)  # features of towers that need not run
    truncation: Truncation = "head"

    def retrieval(self, name: Split, split: PreparedSplit) -> dict[str, Ranked]:
        """{`text_to_image`: ranks, ...} over all studies of the split."""
        image_MD, text_SD = self.embed(name, split)
        return ranked(image_MD, text_SD, split.index.image_study_M, split.index.report_group_S)

    def embed(self, name: Split, split: PreparedSplit) -> tuple[Tensor, Tensor]:
        """Unit embeddings of every image [M, D] and every study's report [S, D]."""
        return self.images(name, split), self.texts(name, split)

    def images(self, name: Split, split: PreparedSplit) -> Tensor:
        """Unit embeddings of every image: [M, D]."""
        return self._of_images(name, split, lambda features: self.model.project_images(features).image_BD)

    def pooled(self, name: Split, split: PreparedSplit) -> Tensor:
        """The image tower's features of every image, before projection: [M, P]."""
        return self._of_images(name, split, lambda features: features.pooled_BP)

    def texts(self, name: Split, split: PreparedSplit) -> Tensor:
        """Unit embeddings of every study's report, [S, D]; each unique text is embedded once."""
        unique, row_of_study = np.unique(split.index.report_group_S, return_inverse=True)
        first = np.full(len(unique), -1)
        first[row_of_study[::-1]] = np.arange(len(split.index))[::-1]
        length = np.diff(split.reports.offsets)[first]
        by_length = first[np.argsort(length, kind="stable")]  # little padding
        with self._evaluating():
            parts = [self._texts(name, split, rows) for rows in shares_of(by_length, self.workers)]
        text_UD = self.workers.gather(torch.cat(parts))
        place = np.empty(len(unique), dtype=np.int64)
        place[row_of_study[by_length]] = np.arange(len(unique))
        return text_UD[torch.from_numpy(place[row_of_study]).to(self.device)]

    def prompts(self, texts: Sequence[str]) -> Tensor:
        """Embeddings as projected, not brought to unit length: [P, D]. Every worker embeds all of them."""
        reports = self.tokenizer.tokenise(texts)
        found = []
        with self._evaluating():
            for rows in shares_of(np.arange(len(texts)), Workers()):
                text = self._batch(reports, rows)
                pooled_BP = self.model.text(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).pooled_BP
                found.append(self.model.text_projection(pooled_BP).float())
        return torch.cat(found)

    def regions_and_words(self, split: PreparedSplit) -> tuple[Tensor, Words]:
        """The inputs of the local score, of all images and reports; every worker embeds all of them."""
        regions, tokens, numbers = [], [], []
        with self._evaluating():
            for rows in shares_of(np.arange(split.index.images), Workers()):
                found = self.model.embed_images(self._pixels(split, rows))
                assert found.regions_BRD is not None
                regions.append(found.regions_BRD.float())
            for rows in shares_of(np.arange(len(split.index)), Workers()):
                text = self._batch(split.reports, rows)
                of_text = self.model.embed_texts(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).tokens_BLD
                assert of_text is not None
                missing = self.max_tokens - text.ids_BL.shape[1]
                tokens.append(functional.pad(of_text.float(), (0, 0, 0, missing)))
                numbers.append(functional.pad(text.words_BL.to(self.device), (0, missing), value=-1))
        return torch.cat(regions), Words(torch.cat(tokens), torch.cat(numbers))

    def _of_images(self, name: Split, split: PreparedSplit, of: Callable[[ImageFeatures], Tensor]) -> Tensor:
        with self._evaluating():
            parts = [
                of(self._image_features(name, split, rows)).float()
                for rows in shares_of(np.arange(split.index.images), self.workers)
            ]
        return self.workers.gather(torch.cat(parts))

    def _image_features(self, name: Split, split: PreparedSplit, rows: np.ndarray) -> ImageFeatures:
        if "image" in self.frozen:
            return ImageFeatures(self.frozen["image"][name][torch.from_numpy(rows)].to(self.device), None)
        features: ImageFeatures = self.model.image(self._pixels(split, rows))
        return features

    def _texts(self, name: Split, split: PreparedSplit, rows: np.ndarray) -> Tensor:
        if "text" in self.frozen:
            pooled_BP = self.frozen["text"][name][torch.from_numpy(rows)].to(self.device)
            return self.model.project_texts(TextFeatures(pooled_BP, None)).text_BD.float()
        text = self._batch(split.reports, rows)
        return self.model.embed_texts(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).text_BD.float()

    def _batch(self, reports: TokenisedReports, rows: np.ndarray) -> TextBatch:
        return text_batch(reports.take(rows), self.tokenizer.special, self.max_tokens, self.truncation)

    def _pixels(self, split: PreparedSplit, rows: np.ndarray) -> Tensor:
        return plain_images(torch.from_numpy(split.pixels(rows)).to(self.device))

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.model.train(training)


def shares_of(rows: np.ndarray, workers: Workers) -> list[np.ndarray]:
    """A worker's share, as many rows at a time as are embedded together."""
    own = rows[workers.share(len(rows))]
    return [own[start : start + ROWS] for start in range(0, max(1, len(own)), ROWS)]
