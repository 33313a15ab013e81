"""Dropout by sample in layers that other libraries made."""

from __future__ import annotations

import pytest
import torch
from timm.layers import DropPath
from torch import nn
from torchvision.ops import StochasticDepth
from transformers.models.dinov2.modeling_dinov2 import Dinov2DropPath

from radsweep.augment.random import sample_keys
from radsweep.training.dropout import SampleDropout, seed_by_sample, seeded

LAYERS = {
    "timm": DropPath(0.5),
    "timm, not scaled": DropPath(0.5, scale_by_keep=False),
    "transformers": Dinov2DropPath(0.5),
    "torchvision": StochasticDepth(0.5, "row"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_whole_samples_are_dropped_by_their_own_keys(name: str) -> None:
    model = nn.Sequential(LAYERS[name]).train()
    seed_by_sample(model)
    keys_B, x = sample_keys(0, torch.arange(64), epoch=0), torch.ones(64, 3, 4)
    with seeded(model, keys_B):
        whole = model(x)
    with seeded(model, keys_B[40:]):
        assert torch.equal(model(x[40:]), whole[40:])
    found = {tuple(row) for row in whole.flatten(1).tolist()}
    assert found == {(0.0,) * 12, ((1.0 if "not scaled" in name else 2.0),) * 12}
    assert torch.equal(model.eval()(x), x)


def test_a_replaced_layer_stays_in_the_mode_of_its_part() -> None:
    model = nn.Sequential(nn.Sequential(nn.Dropout(0.5)).eval(), nn.Dropout(0.5)).train()
    model[0].eval()
    seed_by_sample(model)
    assert [layer.training for layer in model.modules() if isinstance(layer, SampleDropout)] == [False, True]
