"""Soft targets against plain loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from radsweep.config.objective import Contrast, Targets
from radsweep.objectives.contrast import contrast
from radsweep.objectives.soft_targets import label_similarity
from radsweep.objectives.views import Relations, Views

B, D, C = 5, 7, 4
SCALE = 3.0
NAN = math.nan


def unit(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(B, D, dtype=torch.float64, generator=generator), dim=-1)


def similarity() -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    half = torch.rand(B, B, dtype=torch.float64, generator=generator).triu(1)
    return half + half.T + torch.eye(B, dtype=torch.float64)


def relation() -> torch.Tensor:
    """1 and 3 read the same, 4's text is also one of 0, and 1 and 2 are left out."""
    table = 2 * torch.eye(B, dtype=torch.int8) - 1
    table[1, 3] = table[3, 1] = table[0, 4] = 1
    table[1, 2] = table[2, 1] = 0
    return table


def views(tables: tuple[torch.Tensor, ...] | None, image: torch.Tensor | None = None) -> Views:
    images = (unit(1) if image is None else image,)
    relations = None if tables is None else Relations(tables[0], tables)
    texts = (unit(2), unit(3))[: len(tables or (None,))]
    return Views(images, texts, torch.tensor(SCALE).double(), relations=relations, similarity_BB=similarity())


def soft(**settings: float) -> Contrast:
    return Contrast(targets=Targets(kind="reports", **settings))


def plain_loss(image: np.ndarray, text: np.ndarray, signs: list[list[int]], share: float, temperature: float) -> float:
    likeness, total = similarity().numpy(), 0.0
    for by_text in (False, True):
        for i in range(B):
            sign = [signs[j][i] if by_text else signs[i][j] for j in range(B)]
            logit = [SCALE * float(image[j] @ text[i] if by_text else image[i] @ text[j]) for j in range(B)]
            allowed = [j for j in range(B) if sign[j] != 0]
            log_norm = math.log(sum(math.exp(logit[j]) for j in allowed))
            soft_norm = sum(math.exp(likeness[i][j] / temperature) for j in allowed)
            for j in allowed:
                hard = (sign[j] == 1) / sign.count(1)
                target = (1 - share) * hard + share * math.exp(likeness[i][j] / temperature) / soft_norm
                total += target * (log_norm - logit[j]) / B / 2
    return total


@pytest.mark.parametrize(("share", "temperature"), [(0.3, 0.5), (1.0, 1.0), (0.8, 0.05)])
def test_the_target_is_a_share_of_the_softmax_of_similarities(share: float, temperature: float) -> None:
    image, text, other = (unit(seed).numpy() for seed in (1, 2, 3))
    plain = (2 * torch.eye(B, dtype=torch.int8) - 1).tolist()
    settings = soft(share=share, temperature=temperature)
    found = contrast(views(None), settings)
    assert float(found.loss) == pytest.approx(plain_loss(image, text, plain, share, temperature), abs=1e-9)
    table = relation()
    found = contrast(views((table, table.T)), settings)
    expected = plain_loss(image, text, table.tolist(), share, temperature)
    expected += plain_loss(image, other, table.T.tolist(), share, temperature)
    assert float(found.loss) == pytest.approx(expected / 2, abs=1e-9)


def test_a_low_temperature_is_the_hard_target() -> None:
    hard = contrast(views(None), Contrast()).loss
    assert float(contrast(views(None), soft(share=1, temperature=1e-5)).loss) == pytest.approx(float(hard), abs=1e-9)
    assert float(contrast(views(None), soft(share=1, temperature=1)).loss) != pytest.approx(float(hard), abs=1e-2)


def test_gradient_agrees_with_finite_differences() -> None:
    def loss(image: torch.Tensor) -> torch.Tensor:
        return contrast(views((relation(),), image), soft(share=0.5)).loss

    assert torch.autograd.gradcheck(loss, unit(1).requires_grad_(), atol=1e-6)


def test_soft_targets_without_similarities_are_an_error() -> None:
    with pytest.raises(ValueError, match="similarities of the batch"):
        contrast(Views((unit(1),), (unit(2),), torch.tensor(1.0)), soft())


def plain_cosine(a: list[float], b: list[float]) -> float:
    both = [(x, y) for x, y in zip(a, b, strict=True) if not (math.isnan(x) or math.isnan(y))]
    if not both:
        return 0.0
    norms = math.sqrt(sum(x * x for x, _ in both)) * math.sqrt(sum(y * y for _, y in both))
    if norms == 0:
        return float(all(x == y == 0 for x, y in both))
    return sum(x * y for x, y in both) / norms


def test_studies_are_as_similar_as_the_labels_that_both_have() -> None:
    generator = np.random.default_rng(0)
    rows = [*generator.choice([0.0, 1.0, NAN], (40, C)).tolist(), [0.0] * C, [0.0] * C, [NAN] * C, [NAN] * C]
    found = label_similarity(torch.tensor(rows))
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            assert float(found[i, j]) == pytest.approx(1.0 if i == j else plain_cosine(a, b))
    assert found[40, 41] == 1, "two healthy studies"
    assert found[42, 43] == 0, "nothing is known of either"
