"""A search space: which dotted keys vary, how, and under which condition."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator

from radsweep.spec.settings import Settings

Scalar = bool | int | float | str | None
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
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
    whole: tuple[int, int] | None = Field(
        default=None, alias="int", description="[low, high], whole numbers, both included"
    )
    choice: tuple[Scalar | tuple[Scalar, ...], ...] | None = Field(default=None, description="One of a list")
    only_if: str | None = Field(
        default=None, description="Condition on another key, such as `objective.local.weight > 0`"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("uniform", "loguniform", "whole", "choice") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("expected exactly one of uniform, loguniform, int, choice")
        if self.choice is not None and not self.choice:
            raise ValueError("choice is empty")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(f"low {self.range[0]} is not below high {self.range[1]}")
        if self.loguniform is not None and self.loguniform[0] <= 0:
            raise ValueError("loguniform starts above 0")
        self.condition  # noqa: B018 - raises on a malformed one
        return self

    @property
    def range(self) -> tuple[float, float] | None:
        return self.uniform or self.loguniform or self.whole

    @property
    def condition(self) -> Condition | None:
        if self.only_if is None:
            return None
        match = _CONDITION.match(self.only_if)
        if not match:
            raise ValueError("only_if: expected KEY > VALUE, with one of > >= < <= == !=")
        key, sign, text = match.groups()
        return Condition(key, sign, _scalar(text))

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

    algorithm: Literal["tpe", "random", "grid"] = Field(
        default="tpe", description="Optuna's TPE, Optuna's random sampler, or every combination of choices"
    )
    trials: int = Field(default=32, ge=1, description="Number of trials; a grid runs each combination once")
    scheduler: Literal["none", "asha"] = Field(default="none", description="asha stops weak trials early")
    grace: int = Field(default=3, ge=1, description="Validations before asha may stop a trial")
    reduction: int = Field(default=3, ge=2, description="asha keeps one in this many at each rung")
    seed: int = Field(default=0, ge=0, description="Seed of the sampler")
    space: dict[str, Dimension] = Field(description="Dotted key: how it varies", min_length=1)

    @model_validator(mode="after")
    def _grid_of_choices(self) -> Self:
        if self.algorithm == "grid":
            for key, dimension in self.space.items():
                if dimension.choice is None and dimension.whole is None:
                    raise ValueError(f"algorithm grid needs `choice` or `int` for {key}")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        ordered(self.space)
        return self


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
