"""Zero-shot classification: an image's cosine with what says that a finding is there, minus that with its denial.

Shapes: M images, S studies, C classes, P prompts, D width of the embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from radsweep.config.evaluation import Ensembling
from radsweep.evaluation.classification import ClassMetrics, classification_metrics, known_labels, mean_of_images
from radsweep.evaluation.prompts import PromptSet

EmbedTexts = Callable[[list[str]], Tensor | np.ndarray]  # P texts to [P, D], before they are brought to unit length

DECIMALS = 6  # of a score: what lies below is rounding of float32, which would order items that are alike


@dataclass(frozen=True)
class ZeroShot:
    """`scores_SC` are of the studies in the order given, and of `class_names`: the classes with prompts and labels."""

    result: ClassMetrics
    scores_SC: np.ndarray
    class_names: tuple[str, ...]
    ensembling: Ensembling
    prompts: str  # their source
    prompts_sha256: str


def zero_shot(
    image_MD: Tensor | np.ndarray,
    labels_SC: np.ndarray,
    class_names: Sequence[str],
    prompts: PromptSet,
    embed_texts: EmbedTexts,
    image_study_M: np.ndarray | None = None,
    ensembling: Ensembling = "norm_mean_norm",
) -> ZeroShot:
    """AUROC and average precision of each class and macro. Nothing is standardised over the images.

    A study's score is the mean of its images' scores. Classes without prompts are skipped and named, as are those that
    `classification_metrics` skips.

    Args:
        image_MD: embeddings of all images, each once; normalised here.
        labels_SC: 1, 0, or NaN (None) where uncertain or missing; of images where `image_study_M` is None.
        embed_texts: called once, with every prompt once. Embeddings as projected, not yet of unit length: only then
            does `mean_norm` differ from `norm_mean_norm`.

    Raises:
        InputError: no class has prompts.
        ValueError: embeddings that are not finite, `mean_norm` of texts that all have unit length, sizes or labels
            that do not fit.
    """
    labels_SC = known_labels(labels_SC, class_names)
    chosen = prompts.by_label(tuple(class_names))
    texts = list(dict.fromkeys(text for p in chosen.values() for text in (*p.positive, *p.negative)))
    text_PD = _finite(embed_texts(texts), "text")
    row = {text: number for number, text in enumerate(texts)}
    several = any(len(side) > 1 for p in chosen.values() for side in (p.positive, p.negative))
    if ensembling == "mean_norm" and several and bool(((text_PD.norm(dim=1) - 1).abs() < 5e-3).all()):
        raise ValueError(
            "mean_norm: the texts' embeddings have unit length already, so that it would be norm_mean_norm; embed them "
            "without normalising"
        )
    image = normalize(_finite(image_MD, "image"), dim=1)
    columns = []
    for p in chosen.values():
        positive_M, negative_M = (
            similarity(image, text_PD[[row[text] for text in side]], ensembling) for side in (p.positive, p.negative)
        )
        columns.append((positive_M - negative_M).numpy())
    study_M = np.arange(len(image)) if image_study_M is None else image_study_M
    scores_SC = np.round(mean_of_images(np.stack(columns, axis=1), study_M, len(labels_SC)), DECIMALS)
    place = [list(class_names).index(name) for name in chosen]
    result = classification_metrics(scores_SC, labels_SC[:, place], tuple(chosen))
    result.skipped.update({name: f"no prompts in {prompts.source}" for name in class_names if name not in chosen})
    return ZeroShot(result, scores_SC, tuple(chosen), ensembling, prompts.source, prompts.sha256)


def similarity(image_MD: Tensor, text_PD: Tensor, ensembling: Ensembling) -> Tensor:
    """[M]: each image's similarity with several prompts for one thing.

    norm_mean_norm: cosine with the mean of unit embeddings (CLIP, Radford et al. 2021); mean_norm: cosine with the mean
    of embeddings as they are (BioViL, Boecking et al. 2022); max: the largest cosine (GLoRIA, Huang et al. 2021);
    mean_similarity: the mean cosine (CXR-CLIP, You et al. 2023).

    Args:
        image_MD: of unit length.
        text_PD: of any length.
    """
    if ensembling == "mean_norm":
        return image_MD @ normalize(text_PD.mean(0), dim=0)
    unit_PD = normalize(text_PD, dim=1)
    if ensembling == "norm_mean_norm":
        return image_MD @ normalize(unit_PD.mean(0), dim=0)
    if ensembling == "max":
        return (image_MD @ unit_PD.T).amax(1)
    if ensembling == "mean_similarity":
        return (image_MD @ unit_PD.T).mean(1)
    raise ValueError(f"unknown ensembling {ensembling!r}; known: {', '.join(get_args(Ensembling))}")


def _finite(embedding: Tensor | np.ndarray, name: str) -> Tensor:
    embedding_ND = torch.as_tensor(embedding).detach().cpu().double()
    if not bool(torch.isfinite(embedding_ND).all()):
        raise ValueError(f"{name} embeddings are not finite (NaN or infinity): the model has diverged")
    return embedding_ND
