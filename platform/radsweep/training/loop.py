"""The training loop: one for every trial and every adaptation stage, in the order things happen."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from radsweep.config.training import CONVERGENCES, Train
from radsweep.store.records import Validation
from radsweep.training import checkpoint
from radsweep.training.batches import Batch
from radsweep.training.batchnorm import has_batch_statistics, synchronise
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.dropout import seed_by_sample
from radsweep.training.ema import Average
from radsweep.training.optimiser import build_optimiser
from radsweep.training.outcome import Epoch, Outcome, outcome_from_json
from radsweep.training.precision import Precision, precision_for
from radsweep.training.schedule import Schedule, schedule_for
from radsweep.training.task import CONTINUE, PAUSE, STOP
from radsweep.training.trail import Trail, trail_of

SAVE_EVERY = 30.0  # seconds between checkpoints of a run under way

ASK_EVERY = 2.0  # seconds


class TrialFailed(Exception):
    """The trial itself went wrong; the message is for people. The workers that ran it stay usable."""


def check_share(studies: int, workers: Workers) -> None:
    """Raises: TrialFailed: fewer studies, images or reports than workers, each of which needs one of each batch."""
    if studies < workers.world:
        raise TrialFailed(
            f"train.workers: {workers.world} workers and {studies} to train on, and each needs one; set it to "
            f"{studies} or less"
        )


class Stopped(Exception):
    """Something that a trial needs was stopped before it was complete."""


class Paused(Exception):
    """Told to go on another time, perhaps elsewhere: its checkpoint is there, and it has no record."""


class Recipe(ABC):
    """Recipe of a run of the loop: what it trains, on which batches, by which loss, and how it is measured."""

    settings: Train
    learner: nn.Module  # everything that is trained
    result: nn.Module  # the part of the learner whose weights are kept
    context: RunContext
    outcome: Outcome
    value_Q: np.ndarray | None = None  # each validation query at the last `measure`, higher is better
    chance: float = 0.0  # its mean for random embeddings
    steps_per_epoch: int
    every_steps: int  # between validations, at least
    rate_key = "train.learning_rate"  # for messages

    @property
    def workers(self) -> Workers:
        return self.context.workers

    @property
    def device(self) -> torch.device:
        return self.context.device

    @abstractmethod
    def batches(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        """This worker's share of every batch of an epoch, without the first `done`."""

    @abstractmethod
    def backward(self, batch: Batch, precision: Precision) -> tuple[float, dict[str, float]]:
        """Add this worker's gradients, times the scaler's factor; the loss of the global batch, and what to log."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """`val/...` of the learner as it is."""

    @abstractmethod
    def score(self, measured: dict[str, float]) -> float:
        """Score that selects the best weights, higher is better; the number of steps keeps the last."""

    def stepped(self) -> None:  # noqa: B027 - most have nothing to do
        """After each step of the optimiser."""


@dataclass
class Training:
    """A course on its way, and how far it is."""

    recipe: Recipe
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    average: Average | None
    precision: Precision
    selected: dict[str, Tensor] = field(default_factory=dict)  # weights of the best validation so far
    trail: Trail = field(default_factory=Trail)
    epoch: Epoch = field(default_factory=Epoch)  # the one under way

    @property
    def outcome(self) -> Outcome:
        return self.recipe.outcome

    @property
    def finished(self) -> bool:
        return self.outcome.stopped or self.schedule.finished(self.outcome.steps)


def start(recipe: Recipe) -> Training:
    """The course at its very start.

    Raises:
        TrialFailed: settings that exclude one another.
        InputError: a precision that the device lacks.
    """
    settings, learner = recipe.settings, recipe.learner
    learner.train()  # what stays in evaluation mode is not replaced below
    precision = precision_for(settings.precision, recipe.device)
    if settings.accumulate > 1 and has_batch_statistics(learner):
        raise TrialFailed(
            "train.accumulate: the image tower or the head of a self-supervised term has BatchNorm, and statistics of "
            "a part are not those of the batch; set it to 1, or keep the tower's BatchNorm as it starts "
            "(model.image.freeze_batchnorm), or choose another model.image.backbone"
        )
    synchronise(learner, recipe.workers)
    seed_by_sample(learner)
    average = Average(recipe.result, settings.ema) if settings.ema > 0 else None
    optimiser, schedule = build_optimiser(learner, settings), schedule_for(settings, recipe.steps_per_epoch)
    return Training(recipe, optimiser, schedule, average, precision)


def run_loop(training: Training, folder: Path | None) -> None:
    """Train to the end, from `folder/resume` if it exists.

    Args:
        folder: of the checkpoints; None keeps nothing.

    Raises:
        TrialFailed: a loss that is not a number.
        Paused: the context's `report` or `should_continue` returned PAUSE; the checkpoint is in `folder`.
    """
    recipe, outcome = training.recipe, training.outcome
    torch.set_num_threads(recipe.settings.threads)
    if folder is not None:
        resume(training, folder)
    outcome = training.outcome
    asking = Asking(recipe.context)
    last_saved = time.perf_counter()
    while not training.finished:
        try:
            logged = train_epoch(training, asking.told_to_pause)
        except Paused:
            _keep(training, folder)
            raise
        due = outcome.history[-1].step + recipe.every_steps if outcome.history else recipe.every_steps
        if outcome.steps < due and not training.finished:
            continue
        validation = validate(training, logged)
        outcome.timestamps["last_report"] = time.time()
        order = recipe.workers.first(int(recipe.context.report(validation)) if recipe.workers.rank == 0 else CONTINUE)
        outcome.stopped = order == STOP
        if order == PAUSE or time.perf_counter() - last_saved > SAVE_EVERY:
            _keep(training, folder)
            last_saved = time.perf_counter()
        if order == PAUSE and not training.finished:
            raise Paused
    recipe.result.load_state_dict(training.selected)
    outcome.convergence = training.schedule.convergence


def train_epoch(training: Training, told_to_pause: Callable[[], bool] = lambda: False) -> dict[str, float]:
    """One epoch, or what is left of it, or what the schedule leaves of it; the means of what was logged.

    Raises:
        Paused: it was asked to, between two steps; `training` holds how far the epoch is.
    """
    outcome, epoch = training.outcome, training.epoch
    began = time.perf_counter()
    try:
        for batch in training.recipe.batches(outcome.epochs, epoch.batches):
            epoch.add(batch.studies, _step(training, batch))
            if training.finished:
                break
            if told_to_pause():
                raise Paused
    finally:
        elapsed = time.perf_counter() - began
        epoch.seconds += elapsed
        outcome.seconds["training"] += elapsed
    outcome.epochs += 1
    training.epoch = Epoch()
    return epoch.means()


def _step(training: Training, batch: Batch) -> dict[str, float]:
    """One step of the optimiser; what to log.

    A step that is skipped, since a gradient in fp16 is infinite, moves nothing, the schedule included.
    """
    recipe, optimiser, outcome = training.recipe, training.optimiser, training.outcome
    settings, precision = recipe.settings, training.precision
    rate = settings.learning_rate * training.schedule.rate(outcome.steps)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    optimiser.zero_grad(set_to_none=True)
    loss, values = recipe.backward(batch, precision)
    if not math.isfinite(loss):
        raise TrialFailed(
            f"the loss is {loss} at step {outcome.steps}: lower {recipe.rate_key}, or set train.precision to fp32"
        )
    recipe.workers.average_gradients(recipe.learner.parameters())
    precision.scaler.unscale_(optimiser)
    norm = nn.utils.clip_grad_norm_(recipe.learner.parameters(), settings.clip)
    try:
        stepped = precision.step(optimiser)
    except OverflowError:
        raise TrialFailed(
            f"gradients are infinite at step {outcome.steps}, however small the loss is scaled: lower "
            f"{recipe.rate_key}, or set train.precision to fp32"
        ) from None
    scaled = {"loss_scale": precision.scaler.get_scale()} if precision.scaler.is_enabled() else {}
    if not stepped:
        return {"loss": loss, "learning_rate": rate, **values, **scaled}
    recipe.stepped()
    outcome.steps += 1
    if training.average is not None:
        training.average.update(recipe.result, outcome.steps)
    outcome.timestamps["last_step"] = time.time()
    outcome.timestamps.setdefault("first_step", outcome.timestamps["last_step"])
    return {"loss": loss, "gradient_norm": float(norm), "learning_rate": rate, **values, **scaled}


def validate(training: Training, logged: dict[str, float]) -> Validation:
    """Measure (the averaged weights, if they are averaged), keep the best weights so far, and note it all."""
    recipe, outcome = training.recipe, training.outcome
    averaged = training.average.applied(recipe.result) if training.average else nullcontext()
    with outcome.timed("evaluation"), averaged:
        found = recipe.measure()
        if training.schedule.validated(recipe.score(found), outcome.steps):
            training.selected = checkpoint.model_tensors(recipe.result)
            outcome.best, outcome.best_step = found, outcome.steps
        _judge(training)
    validation = Validation(
        epoch=outcome.epochs, step=outcome.steps, seconds=sum(outcome.seconds.values()), metrics=logged | found
    )
    outcome.history.append(validation)
    return validation


def _judge(training: Training) -> None:
    """Judge convergence; worker 0 decides for all, whose last digits may differ."""
    recipe, schedule, step = training.recipe, training.schedule, training.outcome.steps
    if schedule.until_plateau and recipe.value_Q is not None:
        found = schedule.follow(training.trail, recipe.value_Q, step, recipe.chance)
        schedule.judged(CONVERGENCES[recipe.workers.first(CONVERGENCES.index(found))], step)


def _keep(training: Training, folder: Path | None) -> None:
    """Write the checkpoint, by worker 0, if it has a folder."""
    if folder is not None and training.recipe.workers.rank == 0:
        with training.outcome.timed("checkpoint"):
            save(training, folder)


def save(training: Training, folder: Path) -> None:
    """All that training goes on from. Random numbers have no state: they come from seed, sample and epoch."""
    tensors = {
        checkpoint.WEIGHTS: checkpoint.model_tensors(training.recipe.learner),
        checkpoint.OPTIMISER: checkpoint.optimiser_tensors(training.optimiser),
        checkpoint.SELECTED: training.selected,
    }
    if training.average is not None:
        tensors[checkpoint.AVERAGE] = training.average.tensors
    if kept := training.trail.tensors:
        tensors[checkpoint.TRAIL] = kept
    state = {
        "schedule": vars(training.schedule),
        "outcome": training.outcome.as_json(),
        "epoch": vars(training.epoch),
        "scaler": training.precision.scaler.state_dict(),
    }
    checkpoint.write_folder(folder / "resume", tensors, state)


def resume(training: Training, folder: Path) -> None:
    """Continue from the checkpoint of `save`, if it exists."""
    found = checkpoint.read_folder(folder / "resume")
    if found is None:
        return
    tensors, state = found
    training.recipe.learner.load_state_dict(tensors[checkpoint.WEIGHTS])
    checkpoint.load_optimiser(training.optimiser, tensors[checkpoint.OPTIMISER])
    training.selected = tensors[checkpoint.SELECTED]
    if training.average is not None:
        training.average.tensors = {
            name: tensor.to(training.recipe.device) for name, tensor in tensors[checkpoint.AVERAGE].items()
        }
    if state["scaler"]:  # empty without fp16
        training.precision.scaler.load_state_dict(state["scaler"])
    training.schedule = Schedule(**state["schedule"])
    if checkpoint.TRAIL in tensors:
        training.trail = trail_of(tensors[checkpoint.TRAIL])
    training.epoch = Epoch(**state["epoch"])
    vars(training.outcome).update(vars(outcome_from_json(state["outcome"])))
    training.outcome.stopped = False  # it goes on now, whatever stopped it then


class Asking:
    """Worker 0 asks, every few seconds; all workers hear the answer after the same step."""

    def __init__(self, context: RunContext) -> None:
        self.workers, self.should_continue = context.workers, context.should_continue
        self.every = self.left = 1  # steps until the next question
        self.asked = time.perf_counter()

    def told_to_pause(self) -> bool:
        """Called after every step by every worker."""
        self.left -= 1
        if self.left > 0:
            return False
        order = self.workers.first(int(self.should_continue()) if self.workers.rank == 0 else CONTINUE)
        step = (time.perf_counter() - self.asked) / self.every
        wanted = int(min(2 * self.every, ASK_EVERY / max(step, 1e-6)))  # the first steps say little of the next
        self.every = self.left = self.workers.first(max(1, wanted))
        self.asked = time.perf_counter()
        return order == PAUSE
