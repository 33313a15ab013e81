"""Our batch normalisation against PyTorch's, in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from radsweep.training.batchnorm import GlobalBatchNorm, has_batch_statistics, synchronise
from radsweep.training.collectives import Workers


@pytest.mark.parametrize(("layer", "shape"), [(nn.BatchNorm2d(3), (4, 3, 5, 5)), (nn.BatchNorm1d(3), (6, 3))])
def test_output_gradients_and_running_statistics_are_pytorchs(layer: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = layer.double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    ours = GlobalBatchNorm(copy.deepcopy(layer), Workers())
    x = (3 + torch.randn(shape, dtype=torch.float64)).requires_grad_()
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(shape, dtype=torch.float64)
    for _ in range(2):
        (layer(x) * weights).sum().backward()
        (ours(y) * weights).sum().backward()
    assert torch.allclose(x.grad, y.grad, atol=1e-9)
    assert torch.allclose(layer.weight.grad, ours.weight.grad, atol=1e-9)
    assert torch.allclose(layer.running_mean, ours.running_mean, atol=1e-12)
    assert torch.allclose(layer.running_var, ours.running_var, atol=1e-12)
    assert torch.allclose(layer.eval()(x), ours.eval()(y), atol=1e-9)


def test_an_activation_within_the_layer_is_kept() -> None:
    torch.manual_seed(0)
    layer = BatchNormAct2d(3, act_layer=nn.SiLU).double()
    nn.init.normal_(layer.weight)
    ours = GlobalBatchNorm(copy.deepcopy(layer), Workers())
    assert ours.state_dict().keys() == layer.state_dict().keys()
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    assert torch.allclose(layer(x), ours(x), atol=1e-9)
    assert torch.allclose(layer.eval()(x), ours.eval()(x), atol=1e-9)


def test_one_worker_keeps_pytorchs_own() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    synchronise(model, Workers(0, 1))
    assert isinstance(model[1], nn.BatchNorm2d)
    synchronise(model, Workers(0, 2))
    assert isinstance(model[1], GlobalBatchNorm)
    assert has_batch_statistics(model)
    assert not has_batch_statistics(nn.Sequential(nn.GroupNorm(1, 2)))
