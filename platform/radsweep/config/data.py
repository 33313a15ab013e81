"""`data`: the data set, how much of it is used, and where images come from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from radsweep.config.settings import Settings


class Data(Settings):
    shards: str = Field(description="Folder of a packed data set, or phantom:NAME for the built-in one", min_length=1)
    pairs: int | None = Field(
        default=None, ge=2, description="Number of training studies used; the first n of a seeded order"
    )
    fraction: float | None = Field(
        default=None, gt=0, le=1, description="Part of the training studies used, instead of `pairs`"
    )
    seed: int = Field(default=0, ge=0, description="Seed of the order of patients that subsets are taken from")
    validation_pairs: int | None = Field(
        default=None,
        ge=2,
        description="Number of validation studies that checkpoints are selected on; the first n of the same order; all "
        "by default",
    )
    validation_ratio: float | None = Field(
        default=None,
        gt=0,
        description="The same for each training study used, instead of `validation_pairs`; at 1 a trial is selected on "
        "as many pairs as it trains on, as far as there are as many",
    )
    folds: int | None = Field(
        default=None,
        ge=3,
        le=20,
        description="Cross-validate: the patients of all splits are dealt into this many folds; each trial runs once a "
        "fold, tests on it, validates on the next and trains on the others, so that every pair is a test query once",
    )
    fold: int = Field(default=0, ge=0, description="Which of `folds` is tested; all are run, so leave it out")
    source: Literal["auto", "cached", "streamed"] = Field(
        default="auto",
        description="cached: decoded once, in Ray's object store; streamed: from the shards; auto: cached if it fits",
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.pairs is not None and self.fraction is not None:
            raise ValueError("`pairs` and `fraction` both set: give one of them")
        if self.validation_pairs is not None and self.validation_ratio is not None:
            raise ValueError("`validation_pairs` and `validation_ratio` both set: give one of them")
        return self

    @property
    def limits_validation(self) -> bool:
        """True if only a part of the validation split selects."""
        return self.validation_pairs is not None or self.validation_ratio is not None

    @model_validator(mode="after")
    def _one_of_the_folds(self) -> Self:
        if self.fold >= (self.folds or 1):
            raise ValueError(
                f"`fold` {self.fold} of `folds` {self.folds}: they count from 0, and all run: leave it out"
            )
        if self.folds is not None and self.source == "streamed":
            raise ValueError("`folds` and source `streamed`: folds share decoded images; use cached or auto")
        return self
