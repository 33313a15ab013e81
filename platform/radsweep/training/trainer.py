"""One trial: its model trained to align images and reports, validated, selected and tested."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radsweep.config.metrics import Metric
from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData, PreparedSplit
from radsweep.data.loading.subsets import seeded_order, subset_fingerprint, subset_size
from radsweep.data.loading.validation_part import validation_rows
from radsweep.data.shards.schema import Split
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.data.text.truncation import cut_notes
from radsweep.evaluation.queries import QueryResults, write_queries
from radsweep.evaluation.retrieval import Ranked, metrics_of
from radsweep.evaluation.task_results import Measured
from radsweep.models.vlm import build_model
from radsweep.training import checkpoint, loop
from radsweep.training.batches import Batch, TrainingData
from radsweep.training.context import RunContext
from radsweep.training.embedder import Embedder, Frozen
from radsweep.training.evaluate_tasks import chance_levels, measure
from radsweep.training.learner import Learner, backward
from radsweep.training.loop import TrialFailed
from radsweep.training.outcome import Outcome
from radsweep.training.precision import Precision, mixed_precision

COLLAPSED = 1e-3  # spread of similarities below which all embeddings are one point

Adapted = Mapping[str, Mapping[str, Tensor]]  # {image or text: weights of the adapted tower}


class TrialRecipe(loop.Recipe):
    """Everything a trial needs, at its very start: decided by its settings, its data and its seed only."""

    def __init__(
        self,
        trial: Trial,
        data: PreparedData,
        context: RunContext,
        adapted: Adapted | None = None,
        frozen: Frozen | None = None,
    ) -> None:
        self.trial, self.data, self.context = trial, data, context
        self.settings, self.every_steps = trial.train, trial.evaluate.every_steps
        self.tokenizer = load_tokenizer(data.tokenizer)
        index = data.splits["train"].index
        rows = subset_rows(trial, data)
        loop.check_share(len(rows), self.workers)
        self.outcome = Outcome(pairs=len(rows), subset_sha256=subset_fingerprint([index.study_ids[r] for r in rows]))
        self.model = self.result = build_model(trial, self.tokenizer.vocabulary, adapted or {}).to(self.device)
        self.outcome.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.learner: Learner = Learner(self.model, trial, self.tokenizer.vocabulary, len(rows)).to(self.device)
        self.source = TrainingData(data, rows, self.tokenizer, trial, context, frozen or {})
        self.embedder = Embedder.of(trial, self.model, self.tokenizer, self.device, self.workers, frozen or {})
        self.validation, self.validator = data.splits["validation"], self.embedder
        if trial.data.limits_validation:
            self.validation, self.validator = part_that_selects(trial, data, self.embedder)
        self.steps_per_epoch = self.source.steps_per_epoch
        judged = judged_metric(trial.evaluate.select)
        self.chance = chance_levels(self.validation, [judged])[judged]

    def batches(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        return self.source.epoch(epoch, done)

    def backward(self, batch: Batch, precision: Precision) -> tuple[float, dict[str, float]]:
        return backward(self.learner, batch, self.trial.objective, self.workers, self.settings.accumulate, precision)

    def stepped(self) -> None:
        self.learner.stepped()

    def measure(self) -> dict[str, float]:
        select = self.trial.evaluate.select
        with mixed_precision(self.settings.precision, self.device):
            ranks = self.validator.retrieval("validation", self.validation)
            if Metric(select).local:
                ranks |= self.validator.rank_locally(self.validation, self.trial.objective.local)
        self.value_Q = judged_values(select, ranks)
        return {f"val/{name}": value for name, value in metrics_of(ranks).items()}

    def score(self, measured: dict[str, float]) -> float:
        select = self.trial.evaluate.select
        return Metric(select).sign * measured[select]


def train(
    trial: Trial,
    data: PreparedData,
    context: RunContext = RunContext(),
    *,
    folder: Path | None = None,
    read_test: bool = False,
    adapted: Adapted | None = None,
    frozen: Frozen | None = None,
) -> Outcome:
    """Train, validate and select one trial.

    Args:
        data: opened; the same for every trial of a sweep.
        folder: where checkpoints lie; training goes on from a `resume/` found there. None keeps nothing.
        read_test: whether this trial's design lets it see the test split.
        adapted: towers that start from an adaptation stage.
        frozen: features of towers that need not run.

    Raises:
        TrialFailed: a loss that is not a number, a subset larger than the data, settings that exclude one another.
        Paused: the context's `report` or `should_continue` returned PAUSE.
    """
    torch.set_num_threads(trial.train.threads)
    recipe = TrialRecipe(trial, data, context, adapted, frozen)
    loop.run_loop(loop.start(recipe), folder)
    measured = conclude(recipe, read_test)
    if folder is not None and context.workers.rank == 0:
        with recipe.outcome.timed("checkpoint"):
            state = {
                "trial": trial.model_dump(mode="json"),
                "tokenizer": data.tokenizer,
                "data": data.fingerprint,
                "sections": list(data.sections),
            }
            weights = {checkpoint.WEIGHTS: checkpoint.model_tensors(recipe.model)}
            checkpoint.write_folder(folder / "checkpoint", weights, state)
            for name, results in measured.queries.items():
                write_queries(folder / name, results)
            checkpoint.remove_folder(folder / "resume")
    return recipe.outcome


def conclude(recipe: TrialRecipe, read_test: bool) -> Measured:
    """With the selected weights: read the test split where the design lets the trial; fill in the outcome."""
    measured = Measured()
    outcome, splits = recipe.outcome, recipe.data.splits
    reports = [split.reports for split in splits.values()]
    outcome.notes += cut_notes(recipe.trial.model.text, recipe.tokenizer.special, reports)
    pool = len(recipe.validation.index)
    outcome.chance = chance_levels(recipe.validation, list(outcome.best))
    outcome.pool = {"val/queries": pool, "val/candidates": pool}
    if read_test and not outcome.stopped:
        with outcome.timed("evaluation"), mixed_precision(recipe.settings.precision, recipe.device):
            measured = measure(recipe.embedder, recipe.data, "test", recipe.trial)
        outcome.final = measured.metrics
        outcome.chance |= measured.chance
        outcome.pool |= measured.pool
        outcome.notes += measured.notes
    spread = outcome.history[-1].metrics.get("train/similarity_spread", math.inf)
    if spread < COLLAPSED:
        outcome.notes.append("the embeddings collapsed to one point: all similarities are equal")
    return measured


def part_that_selects(trial: Trial, data: PreparedData, embedder: Embedder) -> tuple[PreparedSplit, Embedder]:
    """The part of the validation split that `data.validation_pairs` or `validation_ratio` names, and its embedder.

    Raises:
        TrialFailed: more studies are asked for than there are.
    """
    whole = data.splits["validation"]
    try:
        rows = validation_rows(trial.data, data.splits["train"].index, whole.index)
    except ValueError as error:
        raise TrialFailed(f"data.validation_pairs: {error}") from None
    kept = {"image": torch.from_numpy(whole.index.images_of(rows)), "text": torch.from_numpy(rows)}
    frozen: dict[str, dict[Split, Tensor]] = {
        tower: {"validation": features["validation"][kept[tower]]} for tower, features in embedder.frozen.items()
    }
    return whole.take(rows), replace(embedder, frozen=frozen)


def judged_metric(select: str) -> str:
    """The metric that convergence is judged by: the one that selects, or the percentile if that is a rank."""
    metric = Metric(select)
    return f"{metric.direction}/{metric.name if metric.higher else 'rank_percentile'}"


def judged_values(select: str, ranks: Mapping[str, Ranked]) -> np.ndarray:
    """Each query's part in the metric that convergence is judged by."""
    results = QueryResults(
        (), (), {name: of.ranks_Q for name, of in ranks.items()}, {name: of.others_Q for name, of in ranks.items()}
    )
    value_Q = results.values(judged_metric(select))
    assert value_Q is not None, select
    return value_Q


def subset_rows(trial: Trial, data: PreparedData) -> np.ndarray:
    """Rows of the training split that the trial uses, exactly as many as asked for."""
    index = data.splits["train"].index
    try:
        size = subset_size(len(index), trial.data.pairs, trial.data.fraction)
    except ValueError as error:
        raise TrialFailed(f"data.pairs: {error}") from None
    return np.sort(np.array(seeded_order(index.study_ids, index.patient_ids, trial.data.seed)[:size]))
