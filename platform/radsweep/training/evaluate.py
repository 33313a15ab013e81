"""Retrieval on the full pool of a split, embedded by all workers together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from radsweep.augment.images import plain_images
from radsweep.augment.text import text_batch
from radsweep.data.prepared import PreparedSplit
from radsweep.data.schema import Split
from radsweep.data.tokenizer import ReportTokenizer
from radsweep.evaluation.chance import chance, positives_per_query
from radsweep.evaluation.local_retrieval import local_retrieval_metrics
from radsweep.evaluation.retrieval import retrieval_metrics
from radsweep.models.features import ImageFeatures, TextFeatures
from radsweep.models.vlm import VisionLanguageModel
from radsweep.objectives.views import Words
from radsweep.spec.trial import Local, Trial
from radsweep.training.collectives import Workers

ROWS = 128  # embedded at a time

Frozen = Mapping[str, Mapping[Split, Tensor]]  # image or text -> split -> pooled features of each image, each report


def chance_levels(split: PreparedSplit, names: list[str]) -> dict[str, float]:
    """What random embeddings would give for each metric name on this pool."""
    groups = positives_per_query(split.index.report_group_S)
    return {name: chance(name, len(split.index), groups if "_same_text" in name else (1,)) for name in names}


@dataclass(frozen=True)
class Embedder:
    """A model, and what it takes to embed a split with it."""

    model: VisionLanguageModel
    tokenizer: ReportTokenizer
    max_tokens: int
    device: torch.device
    workers: Workers
    frozen: Frozen = field(default_factory=dict)  # features of towers that need not run

    def retrieval(self, name: Split, split: PreparedSplit) -> dict[str, float]:
        """{`text_to_image/recall_at_10`: value, ...} over all studies of the split."""
        image_MD, text_SD = self.embed(name, split)
        return retrieval_metrics(image_MD, text_SD, split.index.image_study_M, split.index.report_group_S)

    @torch.no_grad()
    def embed(self, name: Split, split: PreparedSplit) -> tuple[Tensor, Tensor]:
        """Unit embeddings of every image [M, D] and every study's report [S, D]; each unique text is embedded once."""
        training = self.model.training
        self.model.eval()
        images = [self._images(name, split, rows) for rows in parts_of(np.arange(split.index.images), self.workers)]
        unique, row_of_study = np.unique(split.index.report_group_S, return_inverse=True)
        first = np.full(len(unique), -1)
        first[row_of_study[::-1]] = np.arange(len(split.index))[::-1]
        length = np.diff(split.reports.offsets)[first]
        by_length = first[np.argsort(length, kind="stable")]  # little padding
        texts = [self._texts(name, split, rows) for rows in parts_of(by_length, self.workers)]
        self.model.train(training)
        image_MD, text_UD = self.workers.gather(torch.cat(images)), self.workers.gather(torch.cat(texts))
        place = np.empty(len(unique), dtype=np.int64)
        place[row_of_study[by_length]] = np.arange(len(unique))
        return image_MD, text_UD[torch.from_numpy(place[row_of_study]).to(self.device)]

    def tested(self, name: Split, split: PreparedSplit, trial: Trial) -> dict[str, float]:
        """What `evaluate.tasks` asks of a split that is read once."""
        found, local = self.retrieval(name, split), trial.objective.local
        if "local_retrieval" in trial.evaluate.tasks and local.weight > 0:
            found |= self.local_retrieval(split, local)
        return found

    @torch.no_grad()
    def local_retrieval(self, split: PreparedSplit, settings: Local) -> dict[str, float]:
        """{`text_to_image_local/recall_at_10`: value, ...}; every worker computes all of it."""
        training = self.model.training
        self.model.eval()
        alone = Workers()
        regions = []
        for rows in parts_of(np.arange(split.index.images), alone):
            found = self.model.embed_images(plain_images(torch.from_numpy(split.pixels(rows)).to(self.device)))
            assert found.regions_BRD is not None
            regions.append(found.regions_BRD.float())
        tokens, numbers = [], []
        for rows in parts_of(np.arange(len(split.index)), alone):
            text = text_batch(split.reports.take(rows), self.tokenizer.special, self.max_tokens)
            of_text = self.model.embed_texts(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).tokens_BLD
            assert of_text is not None
            missing = self.max_tokens - text.ids_BL.shape[1]
            tokens.append(functional.pad(of_text.float(), (0, 0, 0, missing)))
            numbers.append(functional.pad(text.words_BL.to(self.device), (0, missing), value=-1))
        self.model.train(training)
        words = Words(torch.cat(tokens), torch.cat(numbers))
        return local_retrieval_metrics(torch.cat(regions), words, split.index.image_study_M, settings)

    def _images(self, name: Split, split: PreparedSplit, rows: np.ndarray) -> Tensor:
        if "image" in self.frozen:
            pooled_BP = self.frozen["image"][name][torch.from_numpy(rows)].to(self.device)
            return self.model.project_images(ImageFeatures(pooled_BP, None)).image_BD.float()
        pixels = plain_images(torch.from_numpy(split.pixels(rows)).to(self.device))
        return self.model.embed_images(pixels).image_BD.float()

    def _texts(self, name: Split, split: PreparedSplit, rows: np.ndarray) -> Tensor:
        if "text" in self.frozen:
            pooled_BP = self.frozen["text"][name][torch.from_numpy(rows)].to(self.device)
            return self.model.project_texts(TextFeatures(pooled_BP, None)).text_BD.float()
        text = text_batch(split.reports.take(rows), self.tokenizer.special, self.max_tokens)
        return self.model.embed_texts(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).text_BD.float()


def parts_of(rows: np.ndarray, workers: Workers) -> list[np.ndarray]:
    """A worker's share, as many rows at a time as are embedded together."""
    own = rows[workers.share(len(rows))]
    return [own[start : start + ROWS] for start in range(0, max(1, len(own)), ROWS)]
