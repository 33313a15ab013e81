"""SimCLR and SimSiam against plain NumPy in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from radsweep.config.objective import ImageSsl
from radsweep.objectives.image_ssl import Kind, image_ssl, ssl_head, ssl_loss
from radsweep.objectives.views import Views

B, P, K = 5, 6, 8
KINDS: list[Kind] = ["simclr", "simsiam"]


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def head(kind: Kind) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return ssl_head(kind, P, hidden=12, dim=K).double()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt(a @ a) / math.sqrt(b @ b))


def plain_nt_xent(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    """Eq. 1 and algorithm 1 of the paper, pair by pair."""
    views = [*first, *second]
    losses = []
    for i, z in enumerate(views):
        partner = (i + len(first)) % len(views)
        others = [math.exp(cosine(z, other) / temperature) for j, other in enumerate(views) if j != i]
        losses.append(-math.log(math.exp(cosine(z, views[partner]) / temperature) / sum(others)))
    return float(np.mean(losses))


def plain_batch_norm(x: np.ndarray, layer: nn.BatchNorm1d) -> np.ndarray:
    normal = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + layer.eps)
    if layer.weight is None:
        return normal
    return normal * layer.weight.detach().numpy() + layer.bias.detach().numpy()


def plain_layers(x: np.ndarray, layers: nn.Sequential) -> np.ndarray:
    for layer in layers:
        if isinstance(layer, nn.Linear):
            x = x @ layer.weight.detach().numpy().T
            x = x if layer.bias is None else x + layer.bias.detach().numpy()
        elif isinstance(layer, nn.BatchNorm1d):
            x = plain_batch_norm(x, layer)
        else:
            x = np.maximum(x, 0)
    return x


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_simclr_is_nt_xent(temperature: float) -> None:
    first, second = random(B, K, seed=1), random(B, K, seed=2)
    found = ssl_loss("simclr", (first,), (second,), temperature)
    assert float(found) == pytest.approx(plain_nt_xent(first.numpy(), second.numpy(), temperature), abs=1e-9)


def test_simsiam_is_the_negative_cosine_to_the_other_view() -> None:
    p1, z1, p2, z2 = (random(B, K, seed=seed) for seed in range(4))
    expected = -np.mean([cosine(p1[i].numpy(), z2[i].numpy()) + cosine(p2[i].numpy(), z1[i].numpy()) for i in range(B)])
    assert float(ssl_loss("simsiam", (p1, z1), (p2, z2), 0.1)) == pytest.approx(expected / 2, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_loss_agrees_with_finite_differences(kind: Kind) -> None:
    count = 1 if kind == "simclr" else 2
    outputs = tuple(random(3, 4, seed=seed).requires_grad_() for seed in range(2 * count))
    assert torch.autograd.gradcheck(lambda *z: ssl_loss(kind, z[:count], z[count:], 0.5), outputs, atol=1e-6)


def test_the_term_reads_the_two_views_and_its_temperature() -> None:
    first, second = random(B, K, seed=1), random(B, K, seed=2)
    views = Views((), (), torch.tensor(1.0), outputs={"image_ssl": (first, second)})
    output = image_ssl(views, ImageSsl(weight=1, temperature=0.3))
    assert float(output.loss) == pytest.approx(plain_nt_xent(first.numpy(), second.numpy(), 0.3), abs=1e-9)


def test_heads_are_those_published() -> None:
    with torch.device("meta"):  # no memory
        simclr, simsiam = ssl_head("simclr", 768), ssl_head("simsiam", 2048)
    shapes = [tuple(layer.weight.shape) for layer in simclr.modules() if isinstance(layer, nn.Linear)]
    assert shapes == [(4096, 768), (4096, 4096), (256, 4096)]
    shapes = [tuple(layer.weight.shape) for layer in simsiam.modules() if isinstance(layer, nn.Linear)]
    assert shapes == [(2048, 2048)] * 3 + [(512, 2048), (2048, 512)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_computes_what_its_layers_say(kind: Kind) -> None:
    pooled, module = random(B, P, seed=5), head(kind)
    outputs = module(pooled)
    z = plain_layers(pooled.numpy(), module.projector)
    np.testing.assert_allclose(outputs[-1].detach().numpy(), z, atol=1e-9)
    if kind == "simsiam":
        np.testing.assert_allclose(outputs[0].detach().numpy(), plain_layers(z, module.predictor), atol=1e-9)
    assert [output.shape for output in outputs] == [(B, K)] * len(outputs)


def test_no_gradient_passes_through_the_target_of_simsiam() -> None:
    first, second, module = random(B, P, seed=5), random(B, P, seed=6), head("simsiam")
    targets = [module(x)[1] for x in (first, second)]

    def loss_with_fixed_targets() -> float:
        predicted = [module(x)[0] for x in (first, second)]
        return float(ssl_loss("simsiam", (predicted[0], targets[0]), (predicted[1], targets[1]), 0.1))

    ssl_loss("simsiam", module(first), module(second), 0.1).backward()
    weight = module.projector[0].weight
    for row, column in ((0, 0), (3, 2), (11, 5)):
        ends = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight[row, column] += step
                ends.append(loss_with_fixed_targets())
                weight[row, column] -= step
        assert float(weight.grad[row, column]) == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-6)


def test_the_spread_of_views_shows_collapse() -> None:
    def directional_spread(z: torch.Tensor) -> float:
        return image_ssl(Views((), (), torch.tensor(1.0), outputs={"image_ssl": (z, z)}), ImageSsl()).logged[
            "image_ssl_spread"
        ]

    assert directional_spread(random(1, 16, seed=0).expand(400, 16)) == pytest.approx(0, abs=1e-6)
    assert directional_spread(random(400, 16, seed=0)) == pytest.approx(1, abs=0.02)
