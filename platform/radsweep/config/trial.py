"""One trial: data, model, adaptation, objective, augmentation, training and evaluation."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from radsweep.config.adaptation import Adapt
from radsweep.config.augmentation import Augment
from radsweep.config.data import Data
from radsweep.config.evaluation import Evaluate
from radsweep.config.model import ImageTower, Model
from radsweep.config.objective import Objective
from radsweep.config.settings import Settings
from radsweep.config.training import Train, smallest_batch


class Trial(Settings):
    """Everything that decides a trial's numbers, and nothing else: its canonical JSON is part of a cell's key."""

    data: Data
    model: Model = Model()
    adapt: Adapt = Adapt()
    objective: Objective = Objective()
    augment: Augment = Augment()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()

    @property
    def reads_words(self) -> bool:
        """True if the word list of `augment.text.words` is read."""
        return self.augment.text.changes_words or self.objective.compares_words

    @model_validator(mode="after")
    def _whole_batches(self) -> Self:
        workers = self.train.workers
        for name in ("image", "text"):
            adapt = getattr(self.adapt, name)
            if adapt.method == "none":
                continue
            if adapt.batch_size % workers:
                raise ValueError(
                    f"adapt.{name}.batch_size {adapt.batch_size} is not a multiple of train.workers {workers}"
                )
            if workers > smallest_batch(adapt.batch_size):
                raise ValueError(
                    f"adapt.{name}.batch_size {adapt.batch_size} is too small for train.workers {workers}: the last "
                    f"batches have {smallest_batch(adapt.batch_size)} or more, and each worker needs one; double it"
                )
        return self

    @property
    def cached_image(self) -> ImageTower:
        """The image tower, at the side that its images have in memory."""
        return self.model.image.model_copy(update={"size": self.augment.source_size or self.model.image.size})

    @model_validator(mode="after")
    def _larger_source(self) -> Self:
        if self.cached_image.size < self.model.image.size:
            raise ValueError(
                f"augment.source_size {self.augment.source_size} is less than model.image.size {self.model.image.size} "
                "and crops would only be enlarged; leave it out, or raise it"
            )
        return self

    @model_validator(mode="after")
    def _pooled_over_folds(self) -> Self:
        if self.data.folds is not None and self.evaluate.select.endswith("/median_rank"):
            raise ValueError("`data.folds` and a median as `evaluate.select`: no mean over queries; select mean_rank")
        return self
