"""Retrieval on the full pool of a split, embedded by all workers together."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from radsweep.augment.images import plain_images
from radsweep.augment.text import text_batch
from radsweep.data.prepared import PreparedSplit
from radsweep.data.tokenizer import ReportTokenizer
from radsweep.evaluation.chance import chance, positives_per_query
from radsweep.evaluation.retrieval import retrieval_metrics
from radsweep.models.vlm import VisionLanguageModel
from radsweep.training.collectives import Workers

ROWS = 128  # embedded at a time


def evaluate_retrieval(
    model: VisionLanguageModel,
    split: PreparedSplit,
    tokenizer: ReportTokenizer,
    max_tokens: int,
    device: torch.device,
    workers: Workers,
) -> dict[str, float]:
    """{`text_to_image/recall_at_10`: value, ...} over all studies of the split."""
    image_MD, text_SD = embed_split(model, split, tokenizer, max_tokens, device, workers)
    return retrieval_metrics(image_MD, text_SD, split.index.image_study_M, split.index.report_group_S)


def chance_levels(split: PreparedSplit, names: list[str]) -> dict[str, float]:
    """What random embeddings would give for each metric name on this pool."""
    groups = positives_per_query(split.index.report_group_S)
    return {name: chance(name, len(split.index), groups if "_same_text" in name else (1,)) for name in names}


@torch.no_grad()
def embed_split(
    model: VisionLanguageModel,
    split: PreparedSplit,
    tokenizer: ReportTokenizer,
    max_tokens: int,
    device: torch.device,
    workers: Workers,
) -> tuple[Tensor, Tensor]:
    """Unit embeddings of every image [M, D] and every study's report [S, D]; each unique text is embedded once."""
    training = model.training
    model.eval()
    images = [
        model.embed_images(plain_images(torch.from_numpy(split.pixels(rows)).to(device)))[0].float()
        for rows in _parts(np.arange(split.index.images), workers)
    ]
    unique, row_of_study = np.unique(split.index.report_group_S, return_inverse=True)
    first = np.full(len(unique), -1)
    first[row_of_study[::-1]] = np.arange(len(split.index))[::-1]
    length = np.diff(split.reports.offsets)[first]
    by_length = first[np.argsort(length, kind="stable")]  # little padding
    texts = []
    for rows in _parts(by_length, workers):
        text = text_batch(split.reports.take(rows), tokenizer.special, max_tokens)
        texts.append(model.embed_texts(text.ids_BL.to(device), text.mask_BL.to(device))[0].float())
    model.train(training)
    image_MD, text_UD = workers.gather(torch.cat(images)), workers.gather(torch.cat(texts))
    place = np.empty(len(unique), dtype=np.int64)
    place[row_of_study[by_length]] = np.arange(len(unique))
    return image_MD, text_UD[torch.from_numpy(place[row_of_study]).to(device)]


def _parts(rows: np.ndarray, workers: Workers) -> list[np.ndarray]:
    own = rows[workers.share(len(rows))]
    return [own[start : start + ROWS] for start in range(0, max(1, len(own)), ROWS)]
