"""The training loop: one function, in the order things happen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from radsweep.data.prepared import PreparedData
from radsweep.data.schema import Split
from radsweep.data.subsets import seeded_order, subset_fingerprint, subset_size
from radsweep.data.tokenizer import load_tokenizer
from radsweep.models.vlm import build_model
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
from radsweep.training.record import Validation
from radsweep.training.schedule import Schedule, schedule_for

SAVE_EVERY = 30.0  # seconds between checkpoints of a running trial
COLLAPSED = 1e-3  # spread of similarities below which all embeddings are one point


class TrialFailed(Exception):
    """The trial itself went wrong; the message is for people. The worker that ran it stays usable."""


@dataclass
class Outcome:
    """What training a trial gave: the fields of a CellRecord that the loop knows."""

    history: list[Validation] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    final: dict[str, float] = field(default_factory=dict)
    pool: dict[str, int] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    converged: bool = False
    stopped: bool = False
    pairs: int = 0
    subset_sha256: str = ""
    epochs: int = 0
    steps: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"training": 0.0, "evaluation": 0.0, "checkpoint": 0.0})
    notes: list[str] = field(default_factory=list)


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
        folder: where the checkpoints lie; a `resume/` found there is gone on from. None keeps nothing.
        read_test: whether this trial's design lets it see the test split.
        report: is told of each validation; False from it ends the trial as stopped.

    Raises:
        TrialFailed: a loss that is no number, embeddings that collapse, a subset larger than the data.
    """
    torch.set_num_threads(trial.train.threads)
    tokenizer = load_tokenizer(data.tokenizer)
    outcome = Outcome()
    rows = subset_rows(trial, data)
    outcome.pairs = len(rows)
    outcome.subset_sha256 = subset_fingerprint([data.splits["train"].index.study_ids[row] for row in rows])

    model = build_model(trial, tokenizer.vocabulary).to(device)
    synchronise(model, workers)
    seed_by_sample(model)
    if trial.train.accumulate > 1 and has_batch_statistics(model):
        raise TrialFailed(
            "train.accumulate needs a model without BatchNorm: statistics of a part are not those of the batch; "
            "choose another model.image.backbone or accumulate 1"
        )
    optimiser = build_optimiser(model, trial.train)
    source = TrainingData(data.splits["train"], rows, tokenizer, trial, workers)
    schedule = schedule_for(trial.train, source.steps_per_epoch)
    select = trial.evaluate.select

    def evaluate(split: Split) -> dict[str, float]:
        with mixed_precision(trial, device):
            return evaluate_retrieval(
                model, data.splits[split], tokenizer, trial.model.text.max_tokens, device, workers
            )

    selected: dict[str, torch.Tensor] = {}
    epoch, step = 0, 0
    if folder and (found := checkpoint.read_folder(folder / "resume")):
        tensors, state = found
        model.load_state_dict(tensors[checkpoint.WEIGHTS])
        checkpoint.load_optimiser(optimiser, tensors["optimiser.safetensors"])
        selected = tensors["selected.safetensors"]
        schedule = Schedule(**state["schedule"])
        outcome = Outcome(**state["outcome"] | {"history": [Validation(**v) for v in state["outcome"]["history"]]})
        epoch, step = outcome.epochs, outcome.steps

    model.train()
    last_validation = outcome.history[-1].step if outcome.history else 0
    last_saved = time.perf_counter()
    while not schedule.finished(step) and not outcome.stopped:
        started = time.perf_counter()
        logged: dict[str, list[float]] = {}
        studies = 0
        for batch in source.epoch(epoch, device):
            for group in optimiser.param_groups:
                group["lr"] = trial.train.learning_rate * schedule.rate(step)
            optimiser.zero_grad(set_to_none=True)
            with mixed_precision(trial, device):
                loss, values = backward(model, batch, trial.objective, workers, trial.train.accumulate)
            if not math.isfinite(loss):
                raise TrialFailed(
                    f"the loss is {loss} at step {step}: lower train.learning_rate, or set train.precision to fp32"
                )
            workers.average_gradients(model.parameters())
            norm = nn.utils.clip_grad_norm_(model.parameters(), trial.train.clip)
            optimiser.step()
            model.clamp_logit_scale()
            step += 1
            studies += batch.studies
            for name, value in {"loss": loss, "gradient_norm": float(norm), **values}.items():
                logged.setdefault(name, []).append(value)
            if schedule.finished(step):
                break
        epoch += 1
        elapsed = time.perf_counter() - started
        outcome.seconds["training"] += elapsed
        if step - last_validation < trial.evaluate.every_steps and not schedule.finished(step):
            continue

        last_validation = step
        started = time.perf_counter()
        validation = evaluate("validation")
        outcome.seconds["evaluation"] += time.perf_counter() - started
        values = {f"train/{name}": float(np.mean(entries)) for name, entries in logged.items()}
        values |= {
            "train/samples_per_second": studies / elapsed,
            "train/learning_rate": optimiser.param_groups[0]["lr"],
        }
        values |= {f"val/{name}": value for name, value in validation.items()}
        outcome.epochs, outcome.steps = epoch, step
        outcome.history.append(
            Validation(epoch=epoch, step=step, seconds=sum(outcome.seconds.values()), metrics=values)
        )
        score = values[select] if metrics.higher_is_better(select) else -values[select]
        if schedule.validated(score, step):
            selected = checkpoint.model_tensors(model)
            outcome.best, outcome.best_step = {f"val/{k}": v for k, v in validation.items()}, step
        outcome.stopped = (
            not workers.first(int(report(outcome.history[-1]))) if workers.rank == 0 else not workers.first(0)
        )
        if folder and workers.rank == 0 and time.perf_counter() - last_saved > SAVE_EVERY:
            started = time.perf_counter()
            _save(folder, model, optimiser, selected, schedule, outcome)
            last_saved = time.perf_counter()
            outcome.seconds["checkpoint"] += last_saved - started

    outcome.converged = schedule.plateau
    model.load_state_dict(selected)
    outcome.pool = {f"{split}/candidates": len(data.splits[split].index) for split in ("validation", "test")}
    if read_test and not outcome.stopped:
        started = time.perf_counter()
        outcome.final = {f"test/{name}": value for name, value in evaluate("test").items()}
        outcome.seconds["evaluation"] += time.perf_counter() - started
    outcome.chance = chance_levels(data.splits["validation"], list(outcome.best))
    outcome.chance |= chance_levels(data.splits["test"], list(outcome.final))
    if outcome.history and outcome.history[-1].metrics.get("train/similarity_spread", 1.0) < COLLAPSED:
        outcome.notes.append("the embeddings collapsed to one point: all similarities are equal")
    if folder and workers.rank == 0:
        checkpoint.write_folder(
            folder / "checkpoint",
            {checkpoint.WEIGHTS: selected},
            {"trial": trial.model_dump(mode="json"), "tokenizer": data.tokenizer, "data": data.fingerprint},
        )
        checkpoint.remove_folder(folder / "resume")
    return outcome


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


def _save(
    folder: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    selected: dict[str, torch.Tensor],
    schedule: Schedule,
    outcome: Outcome,
) -> None:
    state: dict[str, Any] = {"schedule": schedule.as_dict(), "outcome": dict(vars(outcome))}
    state["outcome"]["history"] = [validation.model_dump() for validation in outcome.history]
    tensors = {
        checkpoint.WEIGHTS: checkpoint.model_tensors(model),
        "optimiser.safetensors": checkpoint.optimiser_tensors(optimiser),
        "selected.safetensors": selected,
    }
    checkpoint.write_folder(folder / "resume", tensors, state)
