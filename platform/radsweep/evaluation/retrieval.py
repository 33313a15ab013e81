"""Image-report retrieval over the full pool, both directions.

The unit is the study: query and candidate are a study's images, or its report. The score of a study's images with a
report is the largest cosine of any of its images. rank = 1 + number of non-positives that score above the best
positive + half of those that tie with it. Two readings of a positive: the same study, and (`..._same_text`) any study
whose normalised report is word for word the same.

Shapes: M images, S studies, D width of the embedding, Q queries, C candidates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from radsweep.evaluation.chance import positives_per_query
from radsweep.spec.metrics import DIRECTIONS, RECALL_AT

SAME_TEXT = "_same_text"
TIE = 1e-6  # cosines closer than this count as equal: float32 rounding depends on where a row stands in a matrix
Array = Tensor | np.ndarray


def retrieval_metrics(
    image_MD: Array,
    text_SD: Array,
    image_study_M: Array,
    text_group_S: Array | None = None,
    chunk: int = 256,
) -> dict[str, float]:
    """{`text_to_image/recall_at_10`: value, ...}: every metric of `spec.metrics` in both directions.

    With `text_group_S` (studies with the same normalised report share a number) also
    `text_to_image_same_text/recall_at_10` and so on, in which those studies are positives too.
    Arguments and errors as `per_query_ranks`.
    """
    ranks = per_query_ranks(image_MD, text_SD, image_study_M, text_group_S, chunk)
    studies = len(text_SD)
    metrics: dict[str, float] = {}
    for direction, ranks_Q in ranks.items():
        others_Q = np.full(studies, studies - 1)
        if direction.endswith(SAME_TEXT) and text_group_S is not None:
            others_Q = studies - positives_per_query(torch.as_tensor(text_group_S).cpu().numpy())
        metrics |= {f"{direction}/{name}": value for name, value in summarise_ranks(ranks_Q, others_Q).items()}
    return metrics


@torch.no_grad()
def per_query_ranks(
    image_MD: Array,
    text_SD: Array,
    image_study_M: Array,
    text_group_S: Array | None = None,
    chunk: int = 256,
) -> dict[str, np.ndarray]:
    """{direction: rank of each study's best positive, S}: what every metric and every later statistic rests on.

    Args:
        image_MD: embeddings of all images of the pool, each once; normalised here.
        text_SD: embedding of each study's report, in the order that `image_study_M` counts in.
        image_study_M: the study (0 to S - 1) of each image; every study has at least one.
        text_group_S: any whole numbers, equal where the normalised reports are equal.
        chunk: queries compared with the pool at a time; memory grows with chunk x (M + S).

    Raises:
        ValueError: an embedding that is not finite, a study without an image, or sizes that do not fit.
    """
    text = _normalised(text_SD, "text")
    image = _normalised(image_MD, "image").to(text.device)
    study = torch.as_tensor(image_study_M).to(text.device, torch.long)
    studies = len(text)
    if study.shape != image.shape[:1] or image.shape[1] != text.shape[1] or studies == 0:
        raise ValueError(
            f"sizes do not fit: images {tuple(image.shape)}, texts {tuple(text.shape)}, {len(study)} studies of images"
        )
    if int(study.min()) < 0 or int(study.max()) >= studies:
        raise ValueError(f"image_study_M: expected studies 0 to {studies - 1}")
    images_S = torch.bincount(study, minlength=studies)
    if int(images_S.min()) == 0:
        raise ValueError(f"{int((images_S == 0).sum())} studies of the pool have no image")
    image = image[torch.argsort(study, stable=True)]
    group = None if text_group_S is None else torch.as_tensor(text_group_S).to(text.device, torch.long)

    found: dict[str, list[Tensor]] = {}
    with torch.autocast(text.device.type, enabled=False):  # bf16 cosines would tie by the dozen
        for direction in DIRECTIONS:
            for query_Q, scores_QC in _scores(direction, image, text, images_S, chunk):
                same_study, same_text = _ranks(scores_QC, query_Q, group)
                found.setdefault(direction, []).append(same_study)
                if same_text is not None:
                    found.setdefault(direction + SAME_TEXT, []).append(same_text)
    return {direction: torch.cat(parts).double().cpu().numpy() for direction, parts in found.items()}


def summarise_ranks(ranks_Q: np.ndarray, others_Q: np.ndarray) -> dict[str, float]:
    """{metric: value over queries}; `others_Q` is each query's number of non-positives.

    The rank percentile is the part of the non-positives that the best positive beats: 1 is perfect, 0.5 is chance.
    """
    beaten_Q = 1 - (ranks_Q - 1) / np.maximum(others_Q, 1)
    return {f"recall_at_{k}": float((ranks_Q <= k).mean()) for k in RECALL_AT} | {
        "mean_reciprocal_rank": float((1 / ranks_Q).mean()),
        "rank_percentile": float(beaten_Q.mean()),
        "median_rank": float(np.median(ranks_Q)),
        "mean_rank": float(ranks_Q.mean()),
    }


def _normalised(embedding: Array, name: str) -> Tensor:
    embedding_ND = torch.as_tensor(embedding).detach().float()
    if embedding_ND.ndim != 2:
        raise ValueError(f"{name} embeddings: expected two dimensions, found {tuple(embedding_ND.shape)}")
    if not bool(torch.isfinite(embedding_ND).all()):
        raise ValueError(f"{name} embeddings are not finite (NaN or infinity): the model has diverged")
    return torch.nn.functional.normalize(embedding_ND, dim=1)


def _scores(
    direction: str, image_MD: Tensor, text_SD: Tensor, images_S: Tensor, chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """(queries Q, their scores with all candidates, Q x S), `chunk` queries at a time; images are sorted by study."""
    first_S = torch.cumsum(images_S, 0) - images_S
    studies = len(text_SD)
    for start in range(0, studies, chunk):
        query_Q = torch.arange(start, min(start + chunk, studies), device=text_SD.device)
        if direction == "text_to_image":
            yield query_Q, _best_image(image_MD @ text_SD[query_Q].T, first_S, images_S).T
        else:
            low, high = int(first_S[query_Q[0]]), int(first_S[query_Q[-1]] + images_S[query_Q[-1]])
            yield query_Q, _best_image(image_MD[low:high] @ text_SD.T, first_S[query_Q] - low, images_S[query_Q])


def _best_image(scores_MC: Tensor, first_S: Tensor, images_S: Tensor) -> Tensor:
    """Scores by image, sorted by study, to the largest of each study: S x C."""
    most = int(images_S.max())
    if most == 1:
        return scores_MC
    best_SC = scores_MC[first_S]
    for view in range(1, most):
        has = torch.nonzero(images_S > view).squeeze(1)
        best_SC[has] = torch.maximum(best_SC[has], scores_MC[first_S[has] + view])
    return best_SC


def _ranks(scores_QC: Tensor, query_Q: Tensor, group_S: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Ranks (Q) in both readings of a positive; the second is None without groups."""
    row_Q = torch.arange(len(query_Q), device=scores_QC.device)
    positive_Q = scores_QC[row_Q, query_Q]
    same_study = _middle_rank(scores_QC, positive_Q) - 0.5  # the positive tied with itself
    if group_S is None:
        return same_study, None
    same_QC = group_S[query_Q, None] == group_S[None]
    best_Q = scores_QC.masked_fill(~same_QC, -torch.inf).amax(1)
    others_QC = scores_QC.masked_fill(same_QC, -torch.inf)
    return same_study, _middle_rank(others_QC, best_Q)


def _middle_rank(scores_QC: Tensor, positive_Q: Tensor) -> Tensor:
    above_Q = (scores_QC > positive_Q[:, None] + TIE).sum(1)
    not_below_Q = (scores_QC >= positive_Q[:, None] - TIE).sum(1)
    return 1 + (above_Q + not_below_Q) / 2
