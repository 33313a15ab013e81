"""Contrast of two views of images, and of texts, against plain loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from radsweep.config.objective import ImageImage, TextText
from radsweep.objectives.same_modality import image_image, text_text
from radsweep.objectives.views import Relations, Views

B, D = 5, 6
SCALE = 3.0


def unit(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(B, D, dtype=torch.float64, generator=generator), dim=-1)


def plain_loss(first: np.ndarray, second: np.ndarray, positive: np.ndarray) -> float:
    """CXR-CLIP's: each view finds the other among the batch, both ways."""
    total = 0.0
    for own, other, table in ((first, second, positive), (second, first, positive.T)):
        for i in range(B):
            norm = math.log(sum(math.exp(SCALE * float(own[i] @ g)) for g in other))
            ones = [j for j in range(B) if table[i, j]]
            total += sum(norm - SCALE * float(own[i] @ other[j]) for j in ones) / len(ones)
    return total / B / 2


def views(count: int, relations: Relations | None = None) -> Views:
    images, texts = (tuple(unit(first + view) for view in range(count)) for first in (0, 10))
    return Views(images, texts, torch.tensor(SCALE).double(), relations=relations)


def related() -> Relations:
    """1 and 3 have the same report; the first text of 2 is the second of 4."""
    reports = 2 * torch.eye(B, dtype=torch.int8) - 1
    reports[1, 3] = reports[3, 1] = 1
    first, second = reports.clone(), reports.clone()
    first[4, 2] = second[2, 4] = 1
    return Relations(reports, (first, second))


@pytest.mark.parametrize("count", [2, 3])
def test_each_pair_of_views_is_contrasted_both_ways(count: int) -> None:
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    alone = np.eye(B, dtype=bool)
    for term, settings, first in ((image_image, ImageImage(weight=1), 0), (text_text, TextText(weight=1), 10)):
        expected = [plain_loss(unit(first + a).numpy(), unit(first + b).numpy(), alone) for a, b in pairs]
        assert float(term(views(count), settings).loss) == pytest.approx(np.mean(expected), abs=1e-9)


def test_images_whose_reports_read_the_same_are_positives() -> None:
    positive = np.eye(B, dtype=bool)
    positive[1, 3] = positive[3, 1] = True
    expected = plain_loss(unit(0).numpy(), unit(1).numpy(), positive)
    assert float(image_image(views(2, related()), ImageImage(weight=1)).loss) == pytest.approx(expected, abs=1e-9)


def test_texts_that_are_also_one_of_the_other_study_are_positives() -> None:
    positive = np.eye(B, dtype=bool)
    positive[1, 3] = positive[3, 1] = True
    positive[2, 4] = True  # the first text of 2 and the second of 4: the same text
    expected = plain_loss(unit(10).numpy(), unit(11).numpy(), positive)
    assert float(text_text(views(2, related()), TextText(weight=1)).loss) == pytest.approx(expected, abs=1e-9)
