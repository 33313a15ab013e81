"""The training loop: one for every trial, in the order things happen."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from radsweep.data.prepared import PreparedData
from radsweep.data.schema import Split
from radsweep.data.subsets import seeded_order, subset_fingerprint, subset_size
from radsweep.data.tokenizer import ReportTokenizer, load_tokenizer
from radsweep.models.vlm import VisionLanguageModel, build_model
from radsweep.spec import metrics
from radsweep.spec.trial import Trial
from radsweep.training import checkpoint
from radsweep.training.batches import TrainingData
from radsweep.training.batchnorm import has_batch_statistics, synchronise
from radsweep.training.collectives import Workers
from radsweep.training.dropout import seed_by_sample
from radsweep.training.evaluate import chance_levels, evaluate_retrieval
from radsweep.training.features import backward
from radsweep.training.optimiser import build_optimiser
from radsweep.training.outcome import Outcome, outcome_from_json
from radsweep.training.record import Validation
from radsweep.training.schedule import Schedule, schedule_for

SAVE_EVERY = 30.0  # seconds between checkpoints of a running trial
COLLAPSED = 1e-3  # spread of similarities below which all embeddings are one point


class TrialFailed(Exception):
    """The trial itself went wrong; the message is for people. The workers that ran it stay usable."""


@dataclass
class Training:
    """A trial on its way: what it trains, and how far it is."""

    trial: Trial
    data: PreparedData
    tokenizer: ReportTokenizer
    workers: Workers
    device: torch.device
    model: VisionLanguageModel
    optimiser: torch.optim.Optimizer
    source: TrainingData
    schedule: Schedule
    outcome: Outcome
    selected: dict[str, Tensor] = field(default_factory=dict)  # weights of the best validation so far

    @property
    def finished(self) -> bool:
        return self.outcome.stopped or self.schedule.finished(self.outcome.steps)


def train(
    trial: Trial,
    data: PreparedData,
    *,
    workers: Workers,
    device: torch.device,
    folder: Path | None = None,
    read_test: bool = False,
    report: Callable[[Validation], bool] = lambda validation: True,
) -> Outcome:
    """Train, validate and select one trial.

    Args:
        data: opened; the same for every trial of a sweep.
        folder: where checkpoints lie; training goes on from a `resume/` found there. None keeps nothing.
        read_test: whether this trial's design lets it see the test split.
        report: worker 0 tells it of each validation; False from it ends the trial as stopped.

    Raises:
        TrialFailed: a loss that is no number, a subset larger than the data, settings that exclude one another.
    """
    torch.set_num_threads(trial.train.threads)
    training = start(trial, data, workers, device)
    if folder is not None:
        resume(training, folder)
    outcome = training.outcome
    last_saved = time.perf_counter()
    while not training.finished:
        logged = train_epoch(training)
        due = outcome.history[-1].step + trial.evaluate.every_steps if outcome.history else trial.evaluate.every_steps
        if outcome.steps < due and not training.finished:
            continue
        validation = validate(training, logged)
        outcome.moments["last_report"] = time.time()
        goes_on = report(validation) if workers.rank == 0 else True
        outcome.stopped = not workers.first(int(goes_on))
        if folder is not None and workers.rank == 0 and time.perf_counter() - last_saved > SAVE_EVERY:
            with _seconds(outcome, "checkpoint"):
                save(training, folder)
            last_saved = time.perf_counter()
    conclude(training, read_test)
    if folder is not None and workers.rank == 0:
        with _seconds(outcome, "checkpoint"):
            state = {"trial": trial.model_dump(mode="json"), "tokenizer": data.tokenizer, "data": data.fingerprint}
            checkpoint.write_folder(folder / "checkpoint", {checkpoint.WEIGHTS: training.selected}, state)
            checkpoint.remove_folder(folder / "resume")
    return outcome


def start(trial: Trial, data: PreparedData, workers: Workers, device: torch.device) -> Training:
    """Everything a trial needs, at its very start: decided by its settings, its data and its seed alone."""
    tokenizer = load_tokenizer(data.tokenizer)
    index = data.splits["train"].index
    rows = subset_rows(trial, data)
    outcome = Outcome(pairs=len(rows), subset_sha256=subset_fingerprint([index.study_ids[row] for row in rows]))
    model = build_model(trial, tokenizer.vocabulary).to(device)
    if trial.train.accumulate > 1 and has_batch_statistics(model):
        raise TrialFailed(
            "train.accumulate: the image tower has BatchNorm, and statistics of a part are not those of the batch; "
            "set it to 1 or choose another model.image.backbone"
        )
    synchronise(model, workers)
    seed_by_sample(model)
    source = TrainingData(data, rows, tokenizer, trial, workers)
    optimiser = build_optimiser(model, trial.train)
    schedule = schedule_for(trial.train, source.steps_per_epoch)
    model.train()
    return Training(trial, data, tokenizer, workers, device, model, optimiser, source, schedule, outcome)


def train_epoch(training: Training) -> dict[str, float]:
    """One epoch, or what the schedule leaves of it; the means of what was logged, named `train/...`."""
    trial, model, optimiser, outcome = training.trial, training.model, training.optimiser, training.outcome
    logged: defaultdict[str, list[float]] = defaultdict(list)
    began, studies = time.perf_counter(), 0
    for batch in training.source.epoch(outcome.epochs, training.device):
        rate = trial.train.learning_rate * training.schedule.rate(outcome.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        with mixed_precision(trial, training.device):
            loss, values = backward(model, batch, trial.objective, training.workers, trial.train.accumulate)
        if not math.isfinite(loss):
            raise TrialFailed(
                f"the loss is {loss} at step {outcome.steps}: lower train.learning_rate, or set train.precision to fp32"
            )
        training.workers.average_gradients(model.parameters())
        norm = nn.utils.clip_grad_norm_(model.parameters(), trial.train.clip)
        optimiser.step()
        model.clamp_logit_scale()
        outcome.steps += 1
        outcome.moments["last_step"] = time.time()
        outcome.moments.setdefault("first_step", outcome.moments["last_step"])
        studies += batch.studies
        for name, value in {"loss": loss, "gradient_norm": float(norm), "learning_rate": rate, **values}.items():
            logged[name].append(value)
        if training.finished:
            break
    outcome.epochs += 1
    elapsed = time.perf_counter() - began
    outcome.seconds["training"] += elapsed
    means = {f"train/{name}": float(np.mean(entries)) for name, entries in logged.items()}
    return means | {"train/samples_per_second": studies / elapsed}


def validate(training: Training, logged: dict[str, float]) -> Validation:
    """Measure the validation split, keep the weights where they are the best so far, and note it all."""
    outcome, select = training.outcome, training.trial.evaluate.select
    with _seconds(outcome, "evaluation"):
        found = {f"val/{name}": value for name, value in evaluate(training, "validation").items()}
    validation = Validation(
        epoch=outcome.epochs, step=outcome.steps, seconds=sum(outcome.seconds.values()), metrics=logged | found
    )
    outcome.history.append(validation)
    score = found[select] if metrics.higher_is_better(select) else -found[select]
    if training.schedule.validated(score, outcome.steps):
        training.selected = checkpoint.model_tensors(training.model)
        outcome.best, outcome.best_step = found, outcome.steps
    return validation


def conclude(training: Training, read_test: bool) -> None:
    """Return to the selected weights; read the test split where the design lets the trial; fill in the outcome."""
    outcome, splits = training.outcome, training.data.splits
    training.model.load_state_dict(training.selected)
    outcome.converged = training.schedule.converged
    outcome.chance = chance_levels(splits["validation"], list(outcome.best))
    outcome.pool = {"val/queries": len(splits["validation"].index), "val/candidates": len(splits["validation"].index)}
    if read_test and not outcome.stopped:
        with _seconds(outcome, "evaluation"):
            outcome.final = {f"test/{name}": value for name, value in evaluate(training, "test").items()}
        outcome.chance |= chance_levels(splits["test"], list(outcome.final))
        outcome.pool |= {"test/queries": len(splits["test"].index), "test/candidates": len(splits["test"].index)}
    spread = outcome.history[-1].metrics.get("train/similarity_spread", math.inf)
    if spread < COLLAPSED:
        outcome.notes.append("the embeddings collapsed to one point: all similarities are equal")


def evaluate(training: Training, split: Split) -> dict[str, float]:
    """Retrieval on the full pool of a split."""
    tokens = training.trial.model.text.max_tokens
    with mixed_precision(training.trial, training.device):
        return evaluate_retrieval(
            training.model, training.data.splits[split], training.tokenizer, tokens, training.device, training.workers
        )


def mixed_precision(trial: Trial, device: torch.device) -> torch.autocast:
    """bf16 where `train.precision` says so, or by itself on a GPU."""
    bf16 = trial.train.precision == "bf16" or (trial.train.precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def subset_rows(trial: Trial, data: PreparedData) -> np.ndarray:
    """Rows of the training split that the trial uses, exactly as many as asked for."""
    index = data.splits["train"].index
    try:
        size = subset_size(len(index), trial.data.pairs, trial.data.fraction)
    except ValueError as error:
        raise TrialFailed(f"data.pairs: {error}") from None
    return np.sort(np.array(seeded_order(index.study_ids, index.patient_ids, trial.data.seed)[:size]))


def save(training: Training, folder: Path) -> None:
    """All that training goes on from. Random numbers have no state: they come from seed, sample and epoch."""
    tensors = {
        checkpoint.WEIGHTS: checkpoint.model_tensors(training.model),
        checkpoint.OPTIMISER: checkpoint.optimiser_tensors(training.optimiser),
        checkpoint.SELECTED: training.selected,
    }
    state = {"schedule": vars(training.schedule), "outcome": training.outcome.as_json()}
    checkpoint.write_folder(folder / "resume", tensors, state)


def resume(training: Training, folder: Path) -> None:
    """Go on where `save` left off; nothing where there is nothing."""
    found = checkpoint.read_folder(folder / "resume")
    if found is None:
        return
    tensors, state = found
    training.model.load_state_dict(tensors[checkpoint.WEIGHTS])
    checkpoint.load_optimiser(training.optimiser, tensors[checkpoint.OPTIMISER])
    training.selected = tensors[checkpoint.SELECTED]
    training.schedule = Schedule(**state["schedule"])
    vars(training.outcome).update(vars(outcome_from_json(state["outcome"])))


class _seconds:
    """Within, time counts towards a part of the outcome's seconds."""

    def __init__(self, outcome: Outcome, part: str) -> None:
        self.outcome, self.part = outcome, part

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.outcome.seconds[self.part] += time.perf_counter() - self.began
