"""Reports that read alike are positives of each other."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch

from radsweep.config.objective import Contrast
from radsweep.data.text.tokenizer import TokenisedReports
from radsweep.objectives.contrast import contrast
from radsweep.objectives.same_report import same_reports
from radsweep.objectives.views import Views

B, D = 6, 7
SCALE, BIAS = 3.0, -2.0
Kind = Literal["infonce", "sigmoid"]


def unit(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(B, D, dtype=torch.float64, generator=generator), dim=-1)


def alike() -> torch.Tensor:
    """0, 3 and 5 read alike, and so do 1 and 2; not transitive: 4 is like 5 alone."""
    positive = torch.eye(B, dtype=torch.bool)
    for i, j in ((0, 3), (0, 5), (3, 5), (1, 2), (4, 5)):
        positive[i, j] = positive[j, i] = True
    return positive


def loss(kind: Kind, positive: torch.Tensor | None, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    scale, bias = (torch.tensor(value, dtype=torch.float64) for value in (SCALE, BIAS))
    return contrast(Views((image,), (text,), scale, bias, positive_BB=positive), Contrast(kind=kind)).loss


def reports(*tokens: list[int]) -> TokenisedReports:
    flat = np.array([token for report in tokens for token in report], dtype=np.int32)
    offsets = np.concatenate(([0], np.cumsum([len(report) for report in tokens])))
    return TokenisedReports(flat, np.zeros_like(flat), np.zeros_like(flat), offsets)


def test_infonce_spreads_its_target_evenly_over_the_positives() -> None:
    logits = SCALE * (unit(1) @ unit(2).T).numpy()
    positive = alike().numpy()
    total = 0.0
    for table in (logits, logits.T):
        for i in range(B):
            norm = math.log(sum(math.exp(value) for value in table[i]))
            ones = [j for j in range(B) if positive[i, j]]
            total += sum(norm - table[i, j] for j in ones) / len(ones)
    assert float(loss("infonce", alike(), unit(1), unit(2))) == pytest.approx(total / B / 2, abs=1e-9)


def test_sigmoid_answers_yes_to_every_positive() -> None:
    total = 0.0
    for i, f in enumerate(unit(1).numpy()):
        for j, g in enumerate(unit(2).numpy()):
            z = 1 if alike()[i, j] else -1
            total += math.log1p(math.exp(-z * (SCALE * float(f @ g) + BIAS)))
    assert float(loss("sigmoid", alike(), unit(1), unit(2))) == pytest.approx(total / B, abs=1e-9)


@pytest.mark.parametrize("kind", ["infonce", "sigmoid"])
def test_reports_that_are_like_none_other_change_nothing(kind: Kind) -> None:
    itself = torch.eye(B, dtype=torch.bool)
    expected = loss(kind, None, unit(1), unit(2))
    assert float(loss(kind, itself, unit(1), unit(2))) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("kind", ["infonce", "sigmoid"])
def test_gradient_agrees_with_finite_differences(kind: Kind) -> None:
    inputs = (unit(1).requires_grad_(), unit(2).requires_grad_())
    assert torch.autograd.gradcheck(lambda image, text: loss(kind, alike(), image, text), inputs, atol=1e-6)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 1.0])
def test_likeness_is_the_shared_part_of_the_tokens_used(threshold: float) -> None:
    generator = np.random.default_rng(0)
    tokens = [generator.integers(0, 9, generator.integers(0, 7)).tolist() for _ in range(40)]
    found = same_reports(reports(*tokens), threshold)
    assert found.dtype == torch.bool
    for i, a in enumerate(map(set, tokens)):
        for j, b in enumerate(map(set, tokens)):
            expected = i == j or (len(a | b) > 0 and len(a & b) >= threshold * len(a | b) - 1e-12)
            assert bool(found[i, j]) == expected


def test_order_and_repetition_do_not_count() -> None:
    found = same_reports(reports([1, 2, 3], [3, 1, 2, 2, 1], [1, 2]), 1.0)
    assert found.tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def test_an_empty_report_is_only_like_itself() -> None:
    found = same_reports(reports([], [5], [], [5]), 0.01)
    assert torch.equal(found, torch.tensor([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 1, 0, 1]]).bool())
    assert torch.equal(same_reports(reports([], []), 0.5), torch.eye(2, dtype=torch.bool))


def test_exactly_the_part_asked_for_is_enough() -> None:
    """0.55 * 20 is above 11 in floating point."""
    assert same_reports(reports(list(range(15)), list(range(4, 20))), 0.55).all()
    assert not same_reports(reports(list(range(14)), list(range(4, 20))), 0.55).all()
