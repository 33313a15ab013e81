"""Every term against an independent plain implementation in float64, and its gradient against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from radsweep.objectives.contrast import contrast
from radsweep.objectives.local import local, local_scores, sum_pieces
from radsweep.objectives.total import TERMS, total_loss
from radsweep.objectives.views import Views, Words
from radsweep.spec.trial import Contrast, Local, Objective

B, D, R, L = 5, 7, 4, 6


def unit(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def random_views(images: int = 2, texts: int = 2, regions: int = R) -> Views:
    generator = torch.Generator().manual_seed(9)
    words = torch.tensor(
        [[-1, 0, 0, 1, 2, -1], [-1, 0, 1, 2, 3, -1], [-1, 0, 0, 0, 0, -1], [-1, 0, 1, -1, -1, -1], [-1, 0, 1, 1, 2, -1]]
    )
    return Views(
        image_BD=tuple(unit(B, D, seed=view) for view in range(images)),
        text_BD=tuple(unit(B, D, seed=10 + view) for view in range(texts)),
        scale=torch.tensor(3.0, dtype=torch.float64),
        bias=torch.tensor(-2.0, dtype=torch.float64),
        own_regions_bRD=tuple(
            torch.randn(B, regions, D, dtype=torch.float64, generator=generator) for _ in range(images)
        ),
        words=tuple(Words(torch.randn(B, L, D, dtype=torch.float64, generator=generator), words) for _ in range(texts)),
    )


def log_softmax(row: np.ndarray) -> np.ndarray:
    return row - row.max() - math.log(np.exp(row - row.max()).sum())


def plain_infonce(image: np.ndarray, text: np.ndarray, scale: float) -> float:
    logits = scale * image @ text.T
    rows = [-log_softmax(logits[i])[i] for i in range(len(logits))]
    columns = [-log_softmax(logits[:, i])[i] for i in range(len(logits))]
    return float(np.mean(rows + columns))


def plain_sigmoid(image: np.ndarray, text: np.ndarray, scale: float, bias: float) -> float:
    total = 0.0
    for i, f in enumerate(image):
        for j, g in enumerate(text):
            z = (1 if i == j else -1) * (scale * float(f @ g) + bias)
            total += math.log1p(math.exp(-z))
    return total / len(image)


def plain_local_score(regions: np.ndarray, words: list[np.ndarray], attention: float, context: float) -> float:
    """GLoRIA, one image and one text, loop by loop."""
    a = np.array([[v @ t for t in words] for v in regions])  # regions x words
    a = np.exp([log_softmax(row) for row in a])  # over words
    alpha = np.exp([log_softmax(attention * column) for column in a.T])  # per word, over regions
    cosines = []
    for word, weights in zip(words, alpha, strict=True):
        c = sum(w * v for w, v in zip(weights, regions, strict=True))
        cosines.append(word @ c / (np.linalg.norm(word) * np.linalg.norm(c)))
    return math.log(sum(math.exp(context * cosine) for cosine in cosines))


def plain_words(tokens: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    return [tokens[numbers == word].sum(axis=0) for word in range(numbers.max() + 1)]


def test_infonce_is_clips_loss_averaged_over_pairs_of_views() -> None:
    views = random_views()
    expected = [plain_infonce(f.numpy(), g.numpy(), 3.0) for f in views.image_BD for g in views.text_BD]
    assert float(contrast(views, Contrast()).loss) == pytest.approx(np.mean(expected), abs=1e-9)


def test_sigmoid_is_siglips_loss_averaged_over_pairs_of_views() -> None:
    views = random_views()
    expected = [plain_sigmoid(f.numpy(), g.numpy(), 3.0, -2.0) for f in views.image_BD for g in views.text_BD]
    assert float(contrast(views, Contrast(kind="sigmoid")).loss) == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("regions", [R, 12], ids=["fewer regions than dimensions", "more regions than dimensions"])
@pytest.mark.parametrize("temperatures", [(4.0, 5.0, 10.0), (1.5, 2.0, 3.0)])
def test_local_is_glorias_loss(regions: int, temperatures: tuple[float, float, float]) -> None:
    views = random_views(1, 1, regions)
    attention, context, logits = temperatures
    tokens, numbers = (field.numpy() for field in views.words[0])
    texts = [plain_words(tokens[j], numbers[j]) for j in range(B)]
    images = views.own_regions_bRD[0].numpy()
    scores = np.array([[plain_local_score(v, t, attention, context) for t in texts] for v in images]) * logits
    rows = np.mean([-log_softmax(scores[i])[i] for i in range(B)])
    columns = np.mean([-log_softmax(scores[:, i])[i] for i in range(B)])
    settings = Local(weight=1, attention=attention, context=context, logits=logits)
    assert float(local(views, settings).loss) == pytest.approx(rows + columns, abs=1e-9)


def test_local_scores_do_not_depend_on_padding_or_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    views = random_views(1, 1)
    tokens, numbers = views.words[0]
    settings = Local(weight=1)
    whole = local_scores(views.own_regions_bRD[0], views.words[0], settings)
    noise = torch.randn(B, 3, D, dtype=torch.float64)
    padded = Words(torch.cat([tokens, noise], dim=1), torch.cat([numbers, torch.full((B, 3), -1)], dim=1))
    assert torch.allclose(local_scores(views.own_regions_bRD[0], padded, settings), whole, atol=1e-12)
    monkeypatch.setattr("radsweep.objectives.local.CHUNK_ELEMENTS", 1)
    assert torch.allclose(local_scores(views.own_regions_bRD[0], views.words[0], settings), whole, atol=1e-12)


def test_word_pieces_are_summed_into_words() -> None:
    tokens, numbers = random_views(1, 1).words[0]
    words, mask = sum_pieces(Words(tokens, numbers))
    assert mask.sum(dim=1).tolist() == [3, 4, 1, 2, 3]
    assert torch.allclose(words[2, 0], tokens[2, 1:5].sum(dim=0))


@pytest.mark.parametrize("name", sorted(TERMS))
def test_gradient_agrees_with_finite_differences(name: str) -> None:
    views = random_views(1, 1)
    settings = getattr(Objective(local=Local(weight=1)), name)

    def loss(image: torch.Tensor, text: torch.Tensor, regions: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        built = Views((image,), (text,), views.scale, views.bias, (regions,), (Words(tokens, views.words[0].word_BL),))
        return TERMS[name](built, settings).loss

    inputs = (views.image_BD[0], views.text_BD[0], views.own_regions_bRD[0], views.words[0].tokens_BLD)
    leaves = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    assert torch.autograd.gradcheck(loss, leaves, atol=1e-6)


def test_a_term_of_weight_zero_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setitem(TERMS, "local", forbidden)
    loss, logged = total_loss(random_views(), Objective())
    assert set(logged) == {"loss/contrast", "logit_scale", "similarity_spread"}
    assert float(loss) == pytest.approx(logged["loss/contrast"])


def test_the_total_is_the_weighted_sum_of_its_terms() -> None:
    objective = Objective(contrast=Contrast(weight=0.5), local=Local(weight=2))
    loss, logged = total_loss(random_views(), objective)
    assert float(loss) == pytest.approx(0.5 * logged["loss/contrast"] + 2 * logged["loss/local"])


def test_the_spread_of_similarities_shows_collapse() -> None:
    same = unit(1, D, seed=1).expand(B, D)
    logged = contrast(Views((same,), (same,), torch.tensor(1.0)), Contrast()).logged
    assert logged["similarity_spread"] == pytest.approx(0, abs=1e-9)
