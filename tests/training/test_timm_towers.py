"""A tower of timm from adaptation to a checkpoint that is read again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import save_for_hf

from radsweep.models.timm_image import TimmImage
from radsweep.models.vlm import build_model
from radsweep.training.adaptation import adapt, load_adapted
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.frozen_features import load_frozen, run_frozen
from radsweep.training.loop import start
from radsweep.training.saved_model import load_checkpoint
from radsweep.training.trainer import TrialRecipe, train
from support.adapted import LIT, SMALL, stages, with_pool
from support.synthetic import synthetic_data, synthetic_trial

TOWER = {"model.image.size": 32, "model.image.weights": "pretrained"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CNN with BatchNorm and stochastic depth, in timm's layout."""
    path = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        model = timm.create_model("test_efficientnet", num_classes=3)
    save_for_hf(model, path, safe_serialization=True)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"model_args": {"drop_path_rate": 0.3, "num_classes": 3}}))
    return f"timm:{path}"


def values(folder: str, **changes: Any) -> dict[str, Any]:
    return TOWER | {"model.image.backbone": folder, "train.steps": 2, "evaluate.every_steps": 1} | changes


def test_a_trained_tower_is_read_again_though_its_first_weights_are_gone(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = synthetic_trial(**values(folder))
    outcome = train(trial, synthetic_data(size=32), folder=tmp_path)
    assert all(math.isfinite(validation.metrics["train/loss"]) for validation in outcome.history)

    def gone(*_: Any) -> None:
        raise AssertionError("the weights that the trial started from were looked for")

    monkeypatch.setattr("radsweep.models.timm_image.read_weights", gone)
    model, _, _ = load_checkpoint(tmp_path / "checkpoint")
    assert isinstance(model.image, TimmImage)
    assert model.image(torch.rand(2, 1, 32, 32)).pooled_BP.isfinite().all()
    with pytest.raises(AssertionError, match="were looked for"):
        build_model(trial, 200)


def test_the_same_seed_trains_to_the_same_weights(folder: str) -> None:
    """Stochastic depth, and no other layer, draws; it draws by sample."""
    histories = []
    for _ in range(2):
        torch.rand(7)  # torch's own state is nobody's seed
        outcome = train(synthetic_trial(**values(folder)), synthetic_data(size=32))
        histories.append([validation.metrics["train/loss"] for validation in outcome.history])
    assert histories[0] == histories[1]


def test_a_tower_starts_from_its_adaptation(folder: str, tmp_path: Path) -> None:
    stage = stages(**(SMALL | values(folder) | {"adapt.image.steps": 2}))["image"]
    adapt(stage, with_pool(size=32), folder=tmp_path)
    adapted = load_adapted(tmp_path)
    assert adapted is not None
    model = build_model(synthetic_trial(**values(folder)), 200, {"image": adapted})
    assert all(torch.equal(value, adapted[name]) for name, value in model.image.state_dict().items())


def test_features_of_a_frozen_tower_are_kept(folder: str, tmp_path: Path) -> None:
    trial = synthetic_trial(**(values(folder) | LIT))
    data = synthetic_data(size=32)
    run_frozen("image", trial, data, folder=tmp_path, adapted={})
    found = load_frozen(tmp_path)
    assert found is not None
    assert found["train"].shape[1] == build_model(trial, 200).image.width


@pytest.mark.parametrize("world", [1, 2])
def test_statistics_that_are_frozen_are_not_synchronised(folder: str, world: int) -> None:
    trial = synthetic_trial(**values(folder, **{"model.image.freeze_batchnorm": True}))
    recipe = TrialRecipe(trial, synthetic_data(size=32), RunContext(Workers(0, world)))
    before = {name: value.clone() for name, value in recipe.model.image.named_buffers()}
    start(recipe)
    with torch.no_grad():
        recipe.model.image.body(torch.rand(4, 1, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in recipe.model.image.named_buffers())
