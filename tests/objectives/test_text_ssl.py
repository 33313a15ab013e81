"""Masked tokens and SimCSE against plain NumPy in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from radsweep.config.objective import TextSsl
from radsweep.objectives.text_ssl import masked_head, text_ssl, text_ssl_head
from radsweep.objectives.views import Views, Widths

N, L, C, E, V = 4, 6, 5, 7, 11
TARGETS = torch.tensor([[-1, 3, -1, 10, 0, -1], [-1] * 6, [-1, -1, 5, -1, -1, -1], [-1, 1, 1, 2, 9, 4]])
WIDTHS = Widths(image=3, text=C, tokens=C, token_embeddings=E, vocabulary=V, dim=4, studies=9)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def head() -> nn.Module:
    """With every parameter off its start, so that each is seen."""
    module = masked_head(C, E, V).double()
    for seed, parameter in enumerate(module.parameters()):
        parameter.data = random(*parameter.shape, seed=seed)
    return module


def views(*outputs: torch.Tensor) -> Views:
    return Views((), (), torch.tensor(1.0), outputs={"text_ssl": outputs})


def plain_cross_entropy(hidden: np.ndarray, module: nn.Module, embedding: np.ndarray, target: int) -> float:
    """BERT's head at one token."""
    weights = {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}
    x = weights["dense.weight"] @ hidden + weights["dense.bias"]
    x = np.array([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x])
    x = (x - x.mean()) / math.sqrt(x.var() + 1e-12) * weights["norm.weight"] + weights["norm.bias"]
    logits = [float(embedding[token] @ x) + weights["bias"][token] for token in range(V)]
    return math.log(sum(math.exp(logit) for logit in logits)) - logits[target]


def test_each_text_has_the_sum_over_its_predicted_tokens_and_their_number() -> None:
    tokens, embedding, module = random(N, L, C, seed=20), random(V, E, seed=21), head()
    loss, count = (found.detach() for found in module(tokens, TARGETS, embedding))
    for row in range(N):
        expected = [
            plain_cross_entropy(tokens[row, place].numpy(), module, embedding.numpy(), int(target))
            for place, target in enumerate(TARGETS[row])
            if target >= 0
        ]
        assert float(loss[row]) == pytest.approx(sum(expected), abs=1e-9)
        assert int(count[row]) == len(expected)


def test_the_loss_is_the_mean_over_tokens_not_over_texts_or_workers() -> None:
    found = head()(random(N, L, C, seed=20), TARGETS, random(V, E, seed=21))
    loss, count = (part.detach() for part in found)
    expected = float(loss.sum()) / 9
    assert float(text_ssl(views(loss, count), TextSsl(weight=1)).loss) == pytest.approx(expected, abs=1e-12)
    shares = [float(text_ssl(views(loss[part], count[part]), TextSsl()).loss) for part in (slice(3), slice(3, N))]
    assert expected != pytest.approx(np.mean(shares), abs=1e-3)


def test_the_number_of_tokens_is_not_variable() -> None:
    """A batch in parts gives every feature a gradient that has one."""
    loss, count = torch.ones(N).requires_grad_(), torch.ones(N).requires_grad_()
    text_ssl(views(loss, count), TextSsl()).loss.backward()
    assert loss.grad is not None
    assert count.grad is None


def test_a_batch_with_nothing_to_predict_has_a_loss_of_zero() -> None:
    module = head()
    loss, count = module(random(N, L, C, seed=20), torch.full((N, L), -1), random(V, E, seed=21))
    total = text_ssl(views(loss, count), TextSsl()).loss
    total.backward()
    assert float(total.detach()) == 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in module.parameters())


def test_embeddings_beyond_the_vocabulary_are_not_candidates() -> None:
    tokens, embedding = random(N, L, C, seed=20), random(V + 3, E, seed=21)
    expected, _ = head()(tokens, TARGETS, embedding[:V])
    found, _ = head()(tokens, TARGETS, embedding)
    assert torch.equal(found, expected)


def test_the_gradient_of_mlm_agrees_with_finite_differences() -> None:
    module = head()
    names = [name for name, _ in module.named_parameters()]

    def loss(tokens: torch.Tensor, embedding: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, parameters, strict=True))
        found = torch.func.functional_call(module, given, (tokens, TARGETS, embedding))
        return text_ssl(views(*found), TextSsl()).loss

    inputs = [random(N, L, C, seed=20), random(V, E, seed=21), *(p.detach().clone() for p in module.parameters())]
    assert torch.autograd.gradcheck(loss, tuple(tensor.requires_grad_() for tensor in inputs), atol=1e-6)


def test_simcse_finds_the_other_view_among_the_batch() -> None:
    first, second = random(N, C, seed=1), random(N, C, seed=2)
    losses = []
    for i in range(N):
        cosines = [
            float(first[i] @ second[j]) / math.sqrt(float(first[i] @ first[i]) * float(second[j] @ second[j]))
            for j in range(N)
        ]
        losses.append(math.log(sum(math.exp(cosine / 0.05) for cosine in cosines)) - cosines[i] / 0.05)
    found = text_ssl(views(first, second), TextSsl(kind="simcse"))
    assert float(found.loss) == pytest.approx(np.mean(losses), abs=1e-9)


def test_the_gradient_of_simcse_agrees_with_finite_differences() -> None:
    inputs = tuple(random(N, C, seed=seed).requires_grad_() for seed in (1, 2))
    settings = TextSsl(kind="simcse", temperature=0.5)
    assert torch.autograd.gradcheck(lambda *pair: text_ssl(views(*pair), settings).loss, inputs, atol=1e-6)


def test_the_head_of_simcse_is_a_layer_with_tanh() -> None:
    module = text_ssl_head(TextSsl(kind="simcse"), WIDTHS).double()
    pooled = random(N, C, seed=1)
    weight, bias = (parameter.detach().numpy() for parameter in module.parameters())
    np.testing.assert_allclose(module(pooled).detach().numpy(), np.tanh(pooled.numpy() @ weight.T + bias), atol=1e-12)


def test_the_head_of_mlm_has_the_widths_of_the_tower() -> None:
    module = text_ssl_head(TextSsl(), WIDTHS)
    shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    assert shapes == {
        "dense.weight": (E, C),
        "dense.bias": (E,),
        "norm.weight": (E,),
        "norm.bias": (E,),
        "bias": (V,),
    }
