"""The experiment file: one trial as base, and either a search or an ablation around it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from radsweep.config.ablation import Ablation
from radsweep.config.run import Run
from radsweep.config.search import Search
from radsweep.config.trial import Trial


class Experiment(Trial):
    experiment: str = Field(
        description="Name of the sweep, in MLflow and the report", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
    )
    search: Search | None = Field(default=None, description="Suggest trials")
    ablation: Ablation | None = Field(default=None, description="Compare arms")
    run: Run = Run()

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.search is not None and self.ablation is not None:
            raise ValueError("`search` and `ablation` both set: one file is one sweep, give one of them")
        return self

    def trial(self) -> Trial:
        """The base trial, without search or ablation."""
        return Trial.model_validate(self.model_dump(include=set(Trial.model_fields)))
