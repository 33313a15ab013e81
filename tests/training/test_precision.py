"""Precision by what the device supports; losses in float32; fp16 with a scaled loss and skipped steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from radsweep.config.training import Train
from radsweep.errors import InputError
from radsweep.training import adaptation, learner, loop
from radsweep.training.adaptation import recipe_of
from radsweep.training.batches import Batch
from radsweep.training.context import RunContext
from radsweep.training.outcome import Outcome
from radsweep.training.precision import Precision, half_type, mixed_precision, precision_for
from radsweep.training.trainer import TrialRecipe
from support.adapted import stages, with_pool
from support.synthetic import synthetic_data, synthetic_trial
from support.trained import EVERYTHING

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def pretend(monkeypatch: pytest.MonkeyPatch, bf16: bool) -> None:
    """A GPU that computes in bf16, or one that only emulates it."""

    def supported(including_emulation: bool = True) -> bool:
        return bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "An Older GPU")


@pytest.mark.parametrize(
    ("precision", "device", "bf16", "expected"),
    [
        ("auto", GPU, True, torch.bfloat16),
        ("auto", GPU, False, torch.float16),
        ("auto", CPU, False, None),
        ("bf16", GPU, True, torch.bfloat16),
        ("bf16", CPU, False, torch.bfloat16),
        ("fp16", GPU, True, torch.float16),
        ("fp16", GPU, False, torch.float16),
        ("fp32", GPU, True, None),
    ],
)
def test_the_precision_is_what_the_device_supports(
    precision: str, device: torch.device, bf16: bool, expected: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 13: `auto` took bf16 on GPUs without it."""
    pretend(monkeypatch, bf16)
    assert half_type(precision, device) is expected
    assert Train(precision=precision).precision == precision


@pytest.mark.parametrize("precision", ["auto", "fp16", "bf16", "fp32"])
def test_only_fp16_scales_the_loss(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, bf16=True)
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, enabled: (device, enabled))
    assert precision_for(precision, GPU).scaler == ("cuda", precision == "fp16")


def test_a_precision_that_the_device_lacks_is_refused_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"fp16 is for GPUs.*auto") as refused:
        precision_for("fp16", CPU)
    assert refused.value.key == "train.precision"
    trial = synthetic_trial(**{"train.precision": "fp16"})
    with pytest.raises(InputError, match="fp16 is for GPUs"):
        loop.start(TrialRecipe(trial, synthetic_data(), RunContext()))
    pretend(monkeypatch, bf16=False)
    with pytest.raises(InputError, match=r"An Older GPU does not compute in bf16.*auto"):
        precision_for("bf16", GPU)


def test_a_model_trained_in_fp16_is_measured_on_a_cpu_in_fp32() -> None:
    with mixed_precision("fp16", CPU):
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("parts", [1, 2])
def test_towers_run_under_autocast_and_losses_and_backward_passes_do_not(
    parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = synthetic_trial(**(EVERYTHING | {"objective.image_ssl.weight": 0.0, "train.precision": "bf16"}))
    recipe = TrialRecipe(trial, synthetic_data(), RunContext())
    seen: dict[str, set[bool]] = {"tower": set(), "loss": set(), "backward": set()}
    compute = learner.total_loss

    def total_loss(*given: object) -> object:
        seen["loss"].add(torch.is_autocast_enabled("cpu"))
        loss, logged = compute(*given)  # type: ignore[arg-type]
        loss.register_hook(lambda _: seen["backward"].add(torch.is_autocast_enabled("cpu")))
        return loss, logged

    monkeypatch.setattr(learner, "total_loss", total_loss)
    recipe.model.image.register_forward_hook(lambda *_: seen["tower"].add(torch.is_autocast_enabled("cpu")))
    loop.start(recipe)
    batch = next(recipe.batches(0))
    precision = precision_for("bf16", CPU)
    learner.backward(recipe.learner, batch, trial.objective, recipe.workers, parts, precision)
    assert seen == {"tower": {True}, "loss": {False}, "backward": {False}}
    assert {p.grad.dtype for p in recipe.learner.parameters() if p.grad is not None} == {torch.float32}


@pytest.mark.parametrize("name", ["image", "text"])
def test_a_stage_encodes_under_autocast_and_computes_its_loss_in_fp32(name: str) -> None:
    stage = stages(**{"train.precision": "bf16"})[name]
    recipe = recipe_of(stage, with_pool(), RunContext())  # type: ignore[arg-type]
    loop.start(recipe)
    compute, given = recipe.loss_of, []

    def loss_of(features: tuple[Tensor, ...], batch: Batch) -> Tensor:
        given.append((torch.is_autocast_enabled("cpu"), {feature.dtype for feature in features}))
        return compute(features, batch)

    recipe.loss_of = loss_of  # type: ignore[method-assign]
    batch = next(recipe.batches(0))
    mixed, _ = recipe.backward(batch, precision_for("bf16", CPU))
    exact, _ = recipe.backward(batch, Precision())
    assert given == [(False, {torch.float32})] * 2
    assert mixed != exact, "the tower did run in bf16"
    assert mixed == pytest.approx(exact, rel=0.05)
    assert isinstance(recipe, adaptation.StageRecipe)


class Line(loop.Recipe):
    """A line through the origin. `loss_at(step, weight)` is the loss of a batch."""

    every_steps, steps_per_epoch = 4, 4

    def __init__(self, loss_at: Callable[[int, Tensor], Tensor], steps: int = 12) -> None:
        self.settings = Train(until="steps", steps=steps, warmup=0.0, learning_rate=0.1, precision="fp32", clip=1.0)
        self.learner = self.result = nn.Linear(1, 1, bias=False)
        self.learner.weight.data.fill_(1.0)
        self.context, self.outcome, self.loss_at = RunContext(), Outcome(), loss_at
        self.before: list[tuple[int, float]] = []  # steps and weight before each batch

    def batches(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        for _ in range(done, 4):
            yield Batch(1, (), (), torch.zeros(1, dtype=torch.int64))

    def backward(self, batch: Batch, precision: Precision) -> tuple[float, dict[str, float]]:
        weight = self.learner.weight.sum()  # type: ignore[operator]
        loss = self.loss_at(len(self.before), weight)
        self.before.append((self.outcome.steps, float(weight.detach())))
        precision.backward(loss)
        return float(loss.detach()), {}

    def measure(self) -> dict[str, float]:
        return {"val/loss": float(self.learner.weight.detach().sum())}  # type: ignore[operator]

    def score(self, measured: dict[str, float]) -> float:
        return self.outcome.steps


def course(recipe: Line, scaled: bool) -> loop.Training:
    """A course at its start, with the scaler of fp16 where `scaled`; growth after 3 steps instead of 2,000."""
    training = loop.start(recipe)
    if scaled:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=3)
        training.precision = Precision(scaler=scaler)
    return training


def smooth(step: int, weight: Tensor) -> Tensor:
    return (weight - 3) ** 2 * (1 + step % 3)


def overflowing(*steps: int) -> Callable[[int, Tensor], Tensor]:
    """The gradient of these steps is infinite, their loss is not."""

    def loss_at(step: int, weight: Tensor) -> Tensor:
        if step in steps:
            return weight.clone() * 0 + _Overflow.apply(weight)
        return (weight - 3) ** 2

    return loss_at


class _Overflow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, weight: Tensor) -> Tensor:
        return weight.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return torch.full_like(gradients[0], math.inf)


def test_a_scaled_loss_gives_the_steps_of_an_unscaled_one() -> None:
    """Scales are powers of 2, gradients are brought back before they are clipped: bit by bit the same."""
    plain, scaled = course(Line(smooth), scaled=False), course(Line(smooth), scaled=True)
    loop.run_loop(plain, None)
    loop.run_loop(scaled, None)
    assert torch.equal(plain.recipe.learner.weight, scaled.recipe.learner.weight)  # type: ignore[arg-type]
    norms = [[v.metrics["train/gradient_norm"] for v in training.outcome.history] for training in (plain, scaled)]
    assert norms[0] == norms[1]
    assert scaled.precision.scaler.get_scale() == 2.0**20, "twelve steps, a growth after every third"
    assert "train/loss_scale" in scaled.outcome.history[0].metrics
    assert "train/loss_scale" not in plain.outcome.history[0].metrics


def test_a_step_with_an_infinite_gradient_moves_nothing_and_is_not_counted() -> None:
    """The schedule counts steps of the optimiser: the run has as many, and ends at a rate of 0, as without overflow."""
    recipe = Line(overflowing(0, 1, 6))
    training = course(recipe, scaled=True)
    for _ in range(2):
        loop.train_epoch(training)
    assert training.outcome.steps == 5
    assert [steps for steps, _ in recipe.before] == [0, 0, 0, 1, 2, 3, 4, 4], "before each of eight batches"
    weights = [weight for _, weight in recipe.before]
    assert weights[0] == weights[1] == weights[2] == 1.0
    assert weights[6] == weights[7] != weights[5]
    assert training.precision.scaler.get_scale() == 2.0**14, "halved three times, doubled after the third step"
    whole = course(Line(overflowing(0, 1, 6)), scaled=True)
    loop.run_loop(whole, None)
    assert (whole.outcome.steps, whole.schedule.finished(whole.outcome.steps)) == (12, True)
    assert whole.outcome.epochs == 4, "three epochs of steps and one of what was skipped"
    norms = [validation.metrics["train/gradient_norm"] for validation in whole.outcome.history]
    assert all(math.isfinite(norm) for norm in norms), "what is skipped is in no mean"


def test_gradients_that_overflow_at_every_scale_fail_the_trial() -> None:
    training = course(Line(overflowing(*range(1000))), scaled=True)
    with pytest.raises(loop.TrialFailed, match=r"infinite at step 0.*train\.precision to fp32"):
        loop.run_loop(training, None)


def test_a_loss_that_is_not_finite_fails_the_trial_at_any_precision() -> None:
    def nan(step: int, weight: Tensor) -> Tensor:
        return weight * math.nan

    with pytest.raises(loop.TrialFailed, match=r"the loss is nan at step 0"):
        loop.run_loop(course(Line(nan), scaled=True), None)


def test_the_scaler_is_in_the_checkpoint(tmp_path: Path) -> None:
    training = course(Line(overflowing(1, 2)), scaled=True)
    for _ in range(2):
        loop.train_epoch(training)
    loop.save(training, tmp_path)
    resumed = course(Line(overflowing(1, 2)), scaled=True)
    loop.resume(resumed, tmp_path)
    state = training.precision.scaler.state_dict()
    assert resumed.precision.scaler.state_dict() == state
    assert (state["scale"], state["_growth_tracker"]) == (2.0**15, 2), "two halvings, a doubling, two steps since"
    assert resumed.outcome.steps == training.outcome.steps == 6
