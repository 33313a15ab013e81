"""Contrast of two views of each image, and of two views of each report (CXR-CLIP, You et al. 2023, section 2.3)."""

from __future__ import annotations

from itertools import combinations

import torch

from radsweep.config.objective import ImageImage, TextText
from radsweep.objectives.infonce import half_sum
from radsweep.objectives.views import TermOutput, Views, mean


def image_image(views: Views, settings: ImageImage) -> TermOutput:
    """InfoNCE at the learned scale, over every pair of image views; they show two images of a study that has two.

    Studies whose reports read the same are positives of each other.
    """
    relation_BB = views.relations.reports_BB if views.relations else None
    losses = [
        half_sum(views.scale * first_BD @ second_BD.T, relation_BB)
        for first_BD, second_BD in combinations(views.image_BD, 2)
    ]
    return TermOutput(mean(losses), {})


def text_text(views: Views, settings: TextText) -> TermOutput:
    """InfoNCE at the learned scale, over every pair of text views.

    Two texts are positives of each other if either is also a text of the other's study.
    """
    losses = []
    for first, second in combinations(range(len(views.text_BD)), 2):
        relation_BB = None
        if views.relations:
            texts_BB = views.relations.texts_BB
            relation_BB = torch.maximum(texts_BB[second], texts_BB[first].T)
        losses.append(half_sum(views.scale * views.text_BD[first] @ views.text_BD[second].T, relation_BB))
    return TermOutput(mean(losses), {})
