"""Fair tuning of an ablation: the same number of trials for every arm, over its own space, judged on validation only.

The points are a Latin hypercube (McKay, Beckman, Conover 1979) drawn key by key: arms that share a key are tried at the
same values of it, so that none is luckier in them than another, and all points are known before the first trial runs.
Each replicate has points of its own, unless all of them share one tuning.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from radsweep.config.search import Dimension, ordered
from radsweep.config.settings import Settings

# what the design itself varies, or what must be the same for all
NOT_TUNED = ("data.", "train.seed", "train.workers", "evaluate.")
Repeat = Literal["each_replicate", "once"]


class Tune(Settings):
    trials: int = Field(default=16, ge=2, le=10_000, description="Trials of each arm at each size: the same for all")
    repeat: Repeat = Field(
        default="each_replicate",
        description="each_replicate: tune again in each replicate, so that claims include luck in tuning; once: all "
        "replicates share one tuning, which costs less, and claims speak of the tuned values only",
    )
    space: dict[str, Dimension] = Field(default={}, description="Dotted key: how it varies, in every arm")
    per_arm: dict[str, dict[str, Dimension]] = Field(
        default={}, description="Arm: {dotted key: how it varies}, for that arm only, besides `space`"
    )
    seed: int = Field(default=0, ge=0, description="Seed of the points")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.space and not self.per_arm:
            raise ValueError("space: is missing; expected {dotted key: how it varies}")
        for key in {*self.space, *(key for space in self.per_arm.values() for key in space)}:
            if key.startswith(NOT_TUNED):
                raise ValueError(f"{key} cannot be tuned: it says what is compared, and must be the same for all arms")
        for arm in ("", *self.per_arm):
            ordered(self.space_of(arm))
        return self

    def space_of(self, arm: str) -> dict[str, Dimension]:
        """All that is tuned in an arm; the arm's own entry of a key goes before the common one."""
        return {**self.space, **self.per_arm.get(arm, {})}

    def points(self, arm: str, trial: Mapping[str, Any], replicate: int | None = None) -> list[dict[str, Any]]:
        """Dotted values of the arm's trials.

        Args:
            trial: the arm's trial, nested: what conditions on keys that are not tuned look at.
            replicate: number of the replicate that is tuned; None if all replicates share one tuning.
        """
        space = self.space_of(arm)
        seed = str(self.seed) if replicate is None else f"{self.seed}/{replicate}"
        drawn = {key: _strata(self.trials, f"{seed}/{key}") for key in space}
        points: list[dict[str, Any]] = [{} for _ in range(self.trials)]
        for key in ordered(space):
            for point, part in zip(points, drawn[key], strict=True):
                if space[key].applies(point, trial):
                    point[key] = value_at(space[key], part)
        return points


def value_at(dimension: Dimension, part: float) -> Any:
    """The value of a dimension at a part of its range, in [0, 1)."""
    if dimension.choice is not None:
        return dimension.choice[int(part * len(dimension.choice))]
    low, high = dimension.extremes()
    if dimension.int_ is not None:
        return int(low + part * (high - low + 1))
    if dimension.loguniform is not None:
        return float(math.exp(math.log(low) + part * (math.log(high) - math.log(low))))
    return float(low + part * (high - low))


def _strata(number: int, seed: str) -> list[float]:
    """One random place in each of `number` equal parts of [0, 1), in random order."""
    generator = random.Random(seed)
    parts = list(range(number))
    generator.shuffle(parts)
    return [(part + generator.random()) / number for part in parts]
