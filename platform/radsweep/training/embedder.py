"""A split embedded by all workers together, and ranked on its full pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from radsweep.augment.images import plain_images
from radsweep.augment.text import TextBatch, text_batch
from radsweep.config.model import Truncation
from radsweep.config.objective import Local
from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedSplit
from radsweep.data.shards.schema import Split
from radsweep.data.text.tokenizer import ReportTokenizer, TokenisedReports
from radsweep.evaluation.local_retrieval import rank_locally
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
    size: int | None = None  # side of the model's images, where the cached ones are larger

    @classmethod
    def of(
        cls,
        trial: Trial,
        model: VisionLanguageModel,
        tokenizer: ReportTokenizer,
        device: torch.device,
        workers: Workers = Workers(),
        frozen: Frozen = MappingProxyType({}),
    ) -> Self:
        """The embedder of a trial's model, with the lengths and sizes of its settings."""
        text, size = trial.model.text, trial.model.image.size
        return cls(model, tokenizer, text.max_tokens, device, workers, frozen, text.truncation, size)

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
            text_UD = embed_in_shares(
                len(by_length), self.workers, lambda rows: self._texts(name, split, by_length[rows])
            )
        place = np.empty(len(unique), dtype=np.int64)
        place[row_of_study[by_length]] = np.arange(len(unique))
        return text_UD[torch.from_numpy(place[row_of_study]).to(self.device)]

    def prompts(self, texts: Sequence[str]) -> Tensor:
        """Embeddings as projected, not brought to unit length: [P, D]. Every worker embeds all of them."""
        reports = self.tokenizer.tokenise(texts)
        found = []
        with self._evaluating():
            for rows in _at_once(np.arange(len(texts))):
                text = self._batch(reports, rows)
                pooled_BP = self.model.text(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).pooled_BP
                with torch.autocast(self.device.type, enabled=False):  # as `project_texts`
                    found.append(self.model.text_projection(pooled_BP.float()))
        return torch.cat(found)

    def rank_locally(self, split: PreparedSplit, settings: Local) -> dict[str, Ranked]:
        """{`text_to_image_local`: ranks, ...} over all studies of the split; every worker ranks all of them."""
        return rank_locally(*self.regions_and_words(split), split.index.image_study_M, settings)

    def regions_and_words(self, split: PreparedSplit) -> tuple[Tensor, Words]:
        """The inputs of the local score, of all images and reports; every worker embeds all of them."""
        regions, tokens, numbers = [], [], []
        with self._evaluating():
            for rows in _at_once(np.arange(split.index.images)):
                found = self.model.embed_images(self._pixels(split, rows))
                assert found.regions_BRD is not None
                regions.append(found.regions_BRD.float())
            for rows in _at_once(np.arange(len(split.index))):
                text = self._batch(split.reports, rows)
                of_text = self.model.embed_texts(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).tokens_BLD
                assert of_text is not None
                missing = self.max_tokens - text.ids_BL.shape[1]
                tokens.append(functional.pad(of_text.float(), (0, 0, 0, missing)))
                numbers.append(functional.pad(text.words_BL.to(self.device), (0, missing), value=-1))
        return torch.cat(regions), Words(torch.cat(tokens), torch.cat(numbers))

    def _of_images(self, name: Split, split: PreparedSplit, of: Callable[[ImageFeatures], Tensor]) -> Tensor:
        with self._evaluating():
            return embed_in_shares(
                split.index.images, self.workers, lambda rows: of(self._image_features(name, split, rows))
            )

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
        return plain_images(torch.from_numpy(split.pixels(rows)).to(self.device), self.size)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.model.train(training)


def embed_in_shares(total: int, workers: Workers, embed: Callable[[np.ndarray], Tensor]) -> Tensor:
    """Features [total, ...] in float32, of which each worker embeds its share, `ROWS` at a time.

    A worker without a share (there are fewer rows than workers) embeds the first row and drops it: not every backbone
    takes an empty batch.
    """
    own = np.arange(total)[workers.share(total)]
    parts = [embed(rows).float() for rows in _at_once(own if len(own) else np.arange(min(1, total)))]
    return workers.gather(torch.cat(parts)[: len(own)])


def _at_once(rows: np.ndarray) -> list[np.ndarray]:
    """The rows, as many at a time as are embedded together."""
    return [rows[start : start + ROWS] for start in range(0, max(1, len(rows)), ROWS)]
