"""`train`: length, optimiser, batch and precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from radsweep.config.settings import Settings

SMALLEST_REST = 8  # studies: what is left of an epoch beyond whole batches, and less, joins the last of them


def smallest_batch(batch_size: int) -> int:
    """Fewest studies of a batch, where an epoch has more than one (`radsweep.data.loading.epochs.batch_bounds`)."""
    return batch_size if batch_size <= SMALLEST_REST else (batch_size + 1) // 2


Convergence = Literal["converged", "still rising", "cannot tell"]  # of a trial's validation metric
CONVERGENCES: tuple[Convergence, ...] = get_args(Convergence)


def joint_convergence(answers: Iterable[Convergence]) -> Convergence:
    """Converged if all trainings are; still rising if any is."""
    found = set(answers)
    return next((each for each in ("still rising", "cannot tell") if each in found), "converged")


MAX_STEPS = 4000


def _default_of_null(value: Any) -> Any:
    """Earlier versions wrote null into every record, with a ceiling in epochs beside it."""
    return MAX_STEPS if value is None else value


class LearningRates(Settings):
    """Learning rates of the parts of a model, as multiples of `train.learning_rate`."""

    image: float = Field(default=1.0, gt=0, description="Of the image tower, times learning_rate")
    text: float = Field(default=1.0, gt=0, description="Of the text tower, times learning_rate")
    heads: float = Field(default=1.0, gt=0, description="Of projections and heads of terms, times learning_rate")
    temperature: float = Field(
        default=1.0, ge=0, description="Of the scale of similarities (and its bias), times learning_rate; 0 keeps it"
    )


class Train(Settings):
    until: Literal["plateau", "epochs", "steps"] = Field(
        default="plateau", description="plateau of the selection metric (then a cool-down), or a fixed length"
    )
    epochs: int = Field(default=30, ge=1, description="Length with `until: epochs`")
    steps: int = Field(default=1000, ge=1, description="Length with `until: steps`, optimiser steps")
    max_steps: Annotated[int, BeforeValidator(_default_of_null)] = Field(
        default=MAX_STEPS,
        ge=1,
        description="Ceiling of `until: plateau` in optimiser steps, the same for every number of pairs",
    )
    max_epochs: int | None = Field(
        default=None, ge=1, description="Ceiling of `until: plateau` in epochs, if it comes before max_steps"
    )
    patience: int = Field(
        default=8, ge=1, description="Validations at the constant rate, at least, before the metric may count as flat"
    )
    smallest_gain: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="A metric is flat if as many steps again would add less than this (0.01 is 1 point), or less than "
        "a tenth of the gain so far",
    )
    cooldown: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Length of the final cosine decay after a plateau, part of the steps so far",
    )
    batch_size: int = Field(default=64, ge=2, description="Studies a step, over all workers")
    accumulate: int = Field(
        default=1, ge=1, description="Parts a batch is computed in; all its negatives are kept (GradCache)"
    )
    learning_rate: float = Field(default=5e-5, gt=0, description="Peak learning rate of AdamW")
    learning_rates: LearningRates = LearningRates()
    weight_decay: float = Field(
        default=1e-4, ge=0, description="AdamW, on matrices only: no biases, norms, class tokens or positions"
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="Part of the longest possible run warmed up in")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="Learning rate of each layer of a tower, as part of the next one's"
    )
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Weights are averaged with this decay a step for validation and test; 0 off",
    )
    clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient")
    workers: int = Field(default=1, ge=1, description="Ray Train workers of a trial")
    threads: int = Field(default=1, ge=1, description="CPU threads of a worker")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description="Of towers and heads; losses are in fp32. auto is bf16 on a GPU that computes in it, fp16 on other "
        "GPUs, fp32 on a CPU. fp16 scales the loss, and skips steps whose gradients overflow",
    )
    seed: int = Field(default=0, ge=0, description="Seed of initialisation, order, augmentation and dropout")

    @model_validator(mode="after")
    def _a_study_each(self) -> Self:
        """Every batch of an epoch has `smallest_batch` studies, and each worker needs one of each batch."""
        if self.workers > smallest_batch(self.batch_size):
            raise ValueError(
                f"workers {self.workers} are too many for batch_size {self.batch_size}: the last batches of an epoch "
                f"have {smallest_batch(self.batch_size)} studies or more, and each worker needs one; double batch_size"
            )
        return self

    @model_validator(mode="after")
    def _whole_parts(self) -> Self:
        if self.batch_size % self.workers:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of workers {self.workers}")
        if self.accumulate > self.batch_size // self.workers:
            raise ValueError(f"accumulate {self.accumulate} is more than a worker's share of the batch")
        return self
