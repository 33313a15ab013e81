"""A search space: which dotted keys vary, how, and under which condition."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator

from radsweep.config.keys import get
from radsweep.config.settings import Settings

Scalar = bool | int | float | str | None
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
TRIALS = 32  # of a search without a budget
_CONDITION = re.compile(r"^\s*([\w.]+)\s*(>=|<=|==|!=|>|<)\s*(.+?)\s*$")


class Condition(NamedTuple):
    """`objective.local.weight > 0`: the dimension exists only where this holds."""

    key: str
    operator: str
    value: Scalar

    def holds(self, actual: Any) -> bool:
        try:
            return OPERATORS[self.operator](actual, self.value)
        except TypeError:  # "abc" > 0
            return False


class Dimension(Settings):
    """One searched key: exactly one of uniform, loguniform, int, choice."""

    model_config = ConfigDict(serialize_by_alias=True)

    uniform: tuple[float, float] | None = Field(default=None, description="[low, high], any number between")
    loguniform: tuple[float, float] | None = Field(default=None, description="[low, high], even in the logarithm")
    int_: tuple[int, int] | None = Field(
        default=None, alias="int", description="[low, high], whole numbers, both included"
    )
    choice: tuple[Scalar | tuple[Scalar, ...], ...] | None = Field(default=None, description="One of a list")
    only_if: str | None = Field(
        default=None, description="Condition on another key, such as `objective.local.weight > 0`"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("uniform", "loguniform", "int_", "choice") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("expected exactly one of uniform, loguniform, int, choice")
        if self.choice is not None and not self.choice:
            raise ValueError("choice is empty")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(f"low {self.range[0]} is not below high {self.range[1]}; give [low, high]")
        if self.loguniform is not None and self.loguniform[0] <= 0:
            raise ValueError("loguniform starts above 0")
        self.condition  # noqa: B018 - raises on a malformed one
        return self

    @property
    def range(self) -> tuple[float, float] | None:
        return self.uniform or self.loguniform or self.int_

    @property
    def condition(self) -> Condition | None:
        if self.only_if is None:
            return None
        match = _CONDITION.match(self.only_if)
        if not match:
            raise ValueError("only_if: expected KEY > VALUE, with one of > >= < <= == !=")
        key, sign, text = match.groups()
        return Condition(key, sign, _scalar(text))

    def applies(self, values: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
        """True if its condition holds.

        Args:
            values: by dotted key, those chosen so far.
            base: nested, what other keys have.
        """
        condition = self.condition
        return condition is None or condition.holds(values.get(condition.key, get(base, condition.key)))

    def extremes(self) -> tuple[Any, ...]:
        """Values that, if all are valid for the key, make every value valid."""
        return self.range or self.choice or ()


def _scalar(text: str) -> Scalar:
    named: dict[str, Scalar] = {"true": True, "false": False, "null": None}
    if text in named:
        return named[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")


class Search(Settings):
    """Trials suggested one after another."""

    algorithm: Literal["tpe", "random", "grid", "cmaes", "nsga2"] = Field(
        default="tpe",
        description="Optuna's TPE, random sampler, CMA-ES (numbers without conditions) or NSGA-II (with `cost`); grid: "
        "every combination of choices",
    )
    trials: int | None = Field(
        default=None,
        ge=1,
        description="Number of trials; 32 where no other budget is set; a grid runs each combination once",
    )
    hours: float | None = Field(
        default=None, gt=0, description="Wall-clock hours after which no trial starts; running ones end"
    )
    gpu_hours: float | None = Field(default=None, gt=0, description="The same, hours that trials held GPUs, summed")
    slot_hours: float | None = Field(default=None, gt=0, description="The same, hours that trials held slots, summed")
    scheduler: Literal["none", "asha", "median"] = Field(
        default="none",
        description="asha stops all but the best 1/`reduction_factor` at each rung; median: those whose best is below "
        "the median of the others' means so far",
    )
    fidelity: Literal["epochs", "pairs"] = Field(
        default="epochs",
        description="What asha's rungs are: validations of one training run, or runs of their own on nested subsets "
        "of growing size, up to `data.pairs`",
    )
    grace_period: int = Field(default=3, ge=1, description="Validations before a trial may be stopped")
    reduction_factor: int = Field(
        default=3,
        ge=2,
        description="asha keeps one in this many at each rung, and a rung has this many times the pairs",
    )
    min_pairs: int = Field(default=100, ge=2, description="`fidelity: pairs`: no rung has fewer training studies")
    cost: Literal["seconds", "samples", "parameters"] | None = Field(
        default=None,
        description="Searched to be low beside a high `evaluate.select`: seconds or studies of training, or parameters "
        "of the model; the report shows which trials no other beats in both",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the sampler")
    space: dict[str, Dimension] = Field(description="Dotted key: how it varies", min_length=1)

    @property
    def most_trials(self) -> int | None:
        """`trials`, with its default; None if only hours end the search."""
        budgets = (self.trials, self.hours, self.gpu_hours, self.slot_hours)
        return TRIALS if all(budget is None for budget in budgets) else self.trials

    @model_validator(mode="after")
    def _grid_of_choices(self) -> Self:
        if self.algorithm == "grid":
            for key, dimension in self.space.items():
                if dimension.choice is None and dimension.int_ is None:
                    raise ValueError(f"algorithm grid needs `choice` or `int` for {key}")
            for name in ("hours", "gpu_hours", "slot_hours", "cost"):
                if getattr(self, name) is not None:
                    raise ValueError(f"algorithm grid runs every combination to its end: leave {name} out")
            if self.scheduler != "none":
                raise ValueError("algorithm grid runs every combination to its end: set scheduler to none")
        return self

    @model_validator(mode="after")
    def _numbers_for_cmaes(self) -> Self:
        if self.algorithm == "cmaes":
            for key, dimension in self.space.items():
                if dimension.choice is not None or dimension.condition is not None:
                    what = "`choice`" if dimension.choice is not None else "`only_if`"
                    raise ValueError(
                        f"algorithm cmaes only searches numbers, and {key} has {what}; use uniform, loguniform "
                        "or int without a condition, or algorithm tpe"
                    )
            if len(self.space) < 2:
                raise ValueError("algorithm cmaes needs two keys or more; use algorithm tpe for one")
        return self

    @model_validator(mode="after")
    def _one_score_to_stop_by(self) -> Self:
        if self.cost is None:
            if self.algorithm == "nsga2":
                raise ValueError("algorithm nsga2 weighs two aims: set cost, or use algorithm tpe")
            return self
        if self.algorithm == "cmaes":
            raise ValueError("algorithm cmaes has one aim, and cost is a second; use tpe, nsga2 or random")
        if self.scheduler != "none":
            raise ValueError(
                f"scheduler {self.scheduler} only looks at the score, and would stop cheap trials that cost asks for; "
                "set scheduler to none, or leave cost out"
            )
        return self

    @model_validator(mode="after")
    def _rungs_of_pairs(self) -> Self:
        if self.fidelity == "pairs":
            if self.scheduler != "asha":
                raise ValueError("fidelity pairs needs scheduler asha: it decides which trials get more pairs")
            for key in ("data.pairs", "data.fraction"):
                if key in self.space:
                    raise ValueError(f"fidelity pairs sets {key} itself: take it out of the space")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        ordered(self.space)
        return self

    def sizes(self, pairs: int) -> list[int]:
        """Training studies at each rung of `fidelity: pairs`, rising to `pairs`; a single one if there is no lower one.

        There are no more rungs than `trials` can fill: the top one takes one in `reduction_factor` ** (rungs - 1).
        """
        found = [pairs]
        while (smaller := -(-pairs // self.reduction_factor ** len(found))) >= self.min_pairs and smaller < found[0]:
            if self.most_trials is not None and self.reduction_factor ** len(found) > self.most_trials:
                break
            found.insert(0, smaller)
        return found


def ordered(space: Mapping[str, Dimension]) -> list[str]:
    """The keys of `space`, each after the key its condition depends on.

    Raises:
        ValueError: conditions that depend on one another in a circle.
    """
    result: list[str] = []
    waiting = dict(space)
    while waiting:
        ready = [key for key, dim in waiting.items() if not dim.condition or dim.condition.key not in waiting]
        if not ready:
            raise ValueError(f"only_if conditions depend on one another: {', '.join(waiting)}")
        result += ready
        for key in ready:
            del waiting[key]
    return result
