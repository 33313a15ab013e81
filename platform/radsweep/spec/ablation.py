"""An ablation: arms (named changes to the base trial) crossed with sizes and seeds."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from radsweep.spec.settings import Settings


class Seeds(Settings):
    subset: int = Field(default=1, ge=1, le=1000, description="Replicates, each with a subset of its own")
    init: int = Field(default=1, ge=1, le=1000, description="Starts (initialisation, order) within a replicate")


def _number_of_seeds(value: Any) -> Any:
    return {"subset": value} if type(value) is int else value


class Ablation(Settings):
    arms: dict[str, dict[str, Any]] = Field(
        description="Name: {dotted key: value}; an empty one is the baseline", min_length=1
    )
    design: Literal["add-one", "leave-one-out", "factorial"] = Field(
        default="add-one",
        description="each arm on the base; all arms merged minus one; every on/off combination",
    )
    pairs: tuple[int, ...] = Field(
        default=(), description="Numbers of training studies; empty means the base trial's own"
    )
    seeds: Annotated[Seeds, BeforeValidator(_number_of_seeds, json_schema_input_type=Seeds | int)] = Field(
        default=Seeds(), description="Replicates; a number alone means `subset`"
    )

    @model_validator(mode="after")
    def _arms(self) -> Self:
        if len(set(self.pairs)) != len(self.pairs) or any(n < 2 for n in self.pairs):
            raise ValueError("pairs: expected different numbers of at least 2")
        if self.design != "add-one":
            for (a, first), (b, second) in itertools.combinations(self.arms.items(), 2):
                for key in sorted(first.keys() & second.keys()):
                    raise ValueError(f"arms {a} and {b} both set {key}: {self.design} cannot merge them")
            if not any(self.arms.values()):
                raise ValueError(f"{self.design} needs an arm that changes something")
        return self

    def designed_arms(self) -> dict[str, dict[str, Any]]:
        """{arm name: changes to the base trial} after the design is applied."""
        if self.design == "add-one":
            return dict(self.arms)
        active = {name: changes for name, changes in self.arms.items() if changes}
        if self.design == "leave-one-out":
            kept = {"full": list(active)} | {f"without {out}": [n for n in active if n != out] for out in active}
        else:
            combinations = itertools.product((False, True), repeat=len(active))
            chosen = [list(itertools.compress(active, flags)) for flags in combinations]
            kept = {" + ".join(names) or "baseline": names for names in chosen}
        return {arm: {k: v for n in names for k, v in active[n].items()} for arm, names in kept.items()}
