"""Retrieval by the local term's own score: how words and regions match, not whole reports and images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from radsweep.config.objective import Local
from radsweep.evaluation.ranking import Reading, ScoreMatrix, middle_ranks
from radsweep.evaluation.retrieval import Ranked
from radsweep.objectives.local import local_scores
from radsweep.objectives.views import Words

CHUNK = 64  # images and reports of a tile


@torch.no_grad()
def rank_locally(regions_MRD: Tensor, words: Words, image_study_M: np.ndarray, settings: Local) -> dict[str, Ranked]:
    """{`text_to_image_local`: ranks, ...} over the full pool, scored by the function that training uses.

    GLoRIA's code (Huang et al. 2021) scores otherwise at evaluation than in training.

    Args:
        regions_MRD: projected regions of every image, in the order of the studies.
        words: projected tokens of every study's report.
        image_study_M: the study of each image, ascending; every study has at least one.
    """
    studies = len(words.tokens_BLD)

    def score(images: slice, reports: slice) -> Tensor:
        some = Words(words.tokens_BLD[reports], words.word_BL[reports])
        return local_scores(regions_MRD[images], some, settings)

    images_S = np.bincount(image_study_M, minlength=studies)
    matrix = ScoreMatrix(score, images_S, studies, regions_MRD.device, CHUNK)
    with torch.autocast(regions_MRD.device.type, enabled=False):  # bf16 scores would tie by the dozen
        (ranks,) = middle_ranks(matrix, [Reading(np.arange(studies), np.arange(studies))])
    others_Q = np.full(studies, studies - 1)
    return {
        "image_to_text_local": Ranked(ranks.row_R, others_Q),
        "text_to_image_local": Ranked(ranks.column_C, others_Q),
    }
