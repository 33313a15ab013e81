"""What a trial computes on a GPU is what it computes on a CPU; bf16 stays close. Skipped where there is no GPU."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from radsweep.augment.random import keep_mask, normal, sample_keys, uniform
from radsweep.config.objective import Local
from radsweep.objectives.local import local_scores
from radsweep.objectives.views import Words
from radsweep.training.adaptation import LOSS, adapt
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.loop import Paused
from radsweep.training.task import PAUSE
from radsweep.training.trainer import TrialRecipe, train
from support.adapted import stages, with_pool
from support.synthetic import CASES, one_step, synthetic_data, synthetic_trial
from support.trained import EVERYTHING

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_random_numbers_have_the_same_bits() -> None:
    keys_B = sample_keys(3, torch.arange(50), epoch=2)
    for drawn in (lambda keys: uniform(keys, 33), lambda keys: normal(keys, 33), lambda keys: keep_mask(keys, 33, 0.3)):
        assert torch.equal(drawn(keys_B), drawn(keys_B.to(GPU)).cpu())


@pytest.mark.parametrize("case", CASES)
def test_a_step_has_the_loss_and_every_gradient_of_the_cpu(case: str) -> None:
    """Augmentation is in float32 on both, what follows in float64."""
    loss, expected = one_step(case, Workers())
    found_loss, found = one_step(case, Workers(), device="cuda")
    assert found_loss == pytest.approx(loss, rel=1e-5)
    assert set(found) == set(expected)
    largest = max(np.abs(gradient).max() for gradient in expected.values())
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-5 * largest, err_msg=name)


@pytest.mark.parametrize("chunked", [False, True])
def test_local_scores_and_gradients_in_bf16_are_near_those_in_float64(
    chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chunked:
        monkeypatch.setattr("radsweep.objectives.local.CHUNK_ELEMENTS", {"cpu": 2000, "cuda": 2000})
    generator = torch.Generator().manual_seed(0)
    regions = torch.randn(8, 49, 64, generator=generator, dtype=torch.float64) / 8**0.5
    words = torch.randn(8, 11, 64, generator=generator, dtype=torch.float64) / 8**0.5
    word_BL = torch.arange(11).expand(8, 11)

    def side(device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        inputs = [tensor.detach().to(device, dtype).requires_grad_() for tensor in (regions, words)]
        with torch.autocast("cuda", torch.bfloat16, enabled=device == GPU):
            scores = local_scores(inputs[0], Words(inputs[1], word_BL.to(device)), Local(weight=1))
        (10 * scores.float() if device == GPU else 10 * scores).log_softmax(1).diagonal().sum().backward()
        return tuple(tensor.detach().cpu().double() for tensor in (scores, inputs[0].grad, inputs[1].grad))

    for expected, found in zip(side(CPU, torch.float64), side(GPU, torch.float32), strict=True):
        assert ((found - expected).norm() / expected.norm()) < 0.05


@pytest.mark.parametrize("half", ["bf16", "fp16"])
@pytest.mark.parametrize(
    "values",
    [{}, EVERYTHING, EVERYTHING | {"objective.image_ssl.kind": "moco"}],
    ids=["plain", "all terms", "moco"],
)
def test_half_precision_trains_like_fp32(values: dict[str, object], half: str) -> None:
    trial = synthetic_trial(**(values | {"train.steps": 12}))
    exact, mixed = (
        train(trial.model_copy(update={"train": trial.train.model_copy(update={"precision": precision})}),
              synthetic_data(), RunContext(device=GPU), read_test=True)
        for precision in ("fp32", half)
    )  # fmt: skip
    for one, other in zip(exact.history, mixed.history, strict=True):
        assert other.metrics["train/loss"] == pytest.approx(one.metrics["train/loss"], rel=0.05)
    assert [v.metrics["train/loss"] for v in exact.history] != [v.metrics["train/loss"] for v in mixed.history]
    assert all(math.isfinite(value) for value in mixed.final.values())
    assert mixed.steps == exact.steps
    assert all(("train/loss_scale" in validation.metrics) == (half == "fp16") for validation in mixed.history)


def test_weights_and_selected_weights_stay_float32() -> None:
    recipe = TrialRecipe(synthetic_trial(**EVERYTHING), synthetic_data(), RunContext(device=GPU))
    assert {parameter.dtype for parameter in recipe.learner.parameters()} == {torch.float32}
    assert {parameter.device.type for parameter in recipe.learner.parameters()} == {"cuda"}


def test_a_paused_trial_continues_to_the_numbers_of_an_undisturbed_one(tmp_path: Path) -> None:
    """To rounding: on a GPU sums have no fixed order."""
    trial = synthetic_trial(**(EVERYTHING | {"train.precision": "fp32"}))
    undisturbed = train(trial, synthetic_data(), RunContext(device=GPU))
    with pytest.raises(Paused):
        train(trial, synthetic_data(), RunContext(device=GPU, report=lambda _: PAUSE), folder=tmp_path)
    resumed = train(trial, synthetic_data(), RunContext(device=GPU), folder=tmp_path)
    losses, expected = ([v.metrics["train/loss"] for v in o.history] for o in (resumed, undisturbed))
    assert losses == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("name", ["image", "text"])
def test_adaptation_stages_learn(name: str, tmp_path: Path) -> None:
    stage = stages(**{f"adapt.{name}.steps": 40})[name]
    outcome = adapt(stage, with_pool(), RunContext(device=GPU), folder=tmp_path)
    losses = [v.metrics["train/loss" if LOSS not in v.metrics else LOSS] for v in outcome.history]
    assert losses[-1] < losses[0] or len(losses) == 1
    assert all(math.isfinite(loss) for loss in losses)
