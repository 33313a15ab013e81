"""An ablation: arms (named changes to the base trial) crossed with sizes and seeds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from radsweep.config.fractional import fraction, fraction_of
from radsweep.config.keys import get
from radsweep.config.settings import Settings
from radsweep.config.trial import Trial
from radsweep.config.tune import Tune

ON_OFF = ("factorial", "fractional")  # designs whose arms switch techniques on and off
BASELINE = "baseline"


class Seeds(Settings):
    subset: int = Field(default=1, ge=1, le=1000, description="Replicates, each with a subset of its own")
    init: int = Field(default=1, ge=1, le=1000, description="Starts (initialisation, order) within a replicate")
    until: Literal["decided"] | None = Field(
        default=None,
        description="Instead of `subset`: add replicates where a comparison with the baseline is open, until each is "
        "decided (helped, hurt, equivalent) or `max` is reached",
    )
    max: int | None = Field(default=None, ge=3, le=1000, description="Of `until: decided`: the most replicates")

    @model_validator(mode="after")
    def _until(self) -> Self:
        if self.until is None and self.max is not None:
            raise ValueError("max: only with `until: decided`; add it, or set subset")
        if self.until is not None and self.max is None:
            raise ValueError("max: is missing; `until: decided` expects the most replicates, such as 12")
        if self.until is not None and self.subset > 1:
            raise ValueError("subset: `until: decided` decides on it; leave it out, max is the ceiling")
        return self

    @property
    def most(self) -> int:
        """The most replicates that an arm can have."""
        return self.max or self.subset

    @property
    def independent(self) -> int:
        """Number of replicates that count as independent: subsets or, if all starts share one subset, starts."""
        return self.subset if self.subset > 1 else self.init

    def independent_of(self, subset: int, start: int) -> int:
        """The independent replicate, from 0, that a start on a subset belongs to."""
        return subset if self.subset > 1 else start


def _number_of_seeds(value: Any) -> Any:
    return {"subset": value} if type(value) is int else value


class Ablation(Settings):
    arms: dict[str, dict[str, Any]] = Field(
        default={},
        description="Name: {dotted key: value}; an empty one is the baseline",
        json_schema_extra={"minProperties": 1},  # in a file; see `_arms`
    )
    design: Literal["add-one", "leave-one-out", "factorial", "fractional", "one-at-a-time"] = Field(
        default="add-one",
        description="each arm on the base; all arms merged minus one; every on/off combination; a balanced part of "
        "those; each of `levels` on the base",
    )
    levels: dict[str, tuple[Any, ...]] = Field(
        default={}, description="Of design one-at-a-time, instead of arms: {dotted key: [values]}"
    )
    resolution: Literal[3, 4, 5] | None = Field(
        default=None,
        description="Of design fractional, 4 unless given: at 4 main effects are clear of interactions of two, at 5 "
        "these of each other too",
    )
    runs: int | None = Field(
        default=None, ge=4, description="Of design fractional, instead of a resolution: number of combinations"
    )
    pairs: tuple[int, ...] = Field(
        default=(), description="Numbers of training studies; empty means the base trial's own"
    )
    seeds: Annotated[Seeds, BeforeValidator(_number_of_seeds, json_schema_input_type=Seeds | int)] = Field(
        default=Seeds(), description="Replicates; a plain number means `subset`"
    )
    equivalence_margin: float | None = Field(
        default=2.0,
        gt=0,
        description="Differences below it are too small to matter, in points of the metric (ranks, of a rank); null if "
        "every difference matters",
    )
    tune: Tune | None = Field(
        default=None,
        description="Tune every arm at every size first, with equal budgets; what is chosen runs from fresh starts, "
        "and only that reads the test split",
    )

    @model_validator(mode="after")
    def _one_way_to_add(self) -> Self:
        if self.seeds.until is not None and self.tune is not None:
            raise ValueError("seeds.until: `decided` cannot be combined with tune; set seeds to a number")
        return self

    @model_validator(mode="after")
    def _arms(self) -> Self:
        if len(set(self.pairs)) != len(self.pairs) or any(n < 2 for n in self.pairs):
            raise ValueError("pairs: expected different numbers of at least 2")
        if self.design != "fractional" and (self.resolution is not None or self.runs is not None):
            which = "resolution" if self.resolution is not None else "runs"
            raise ValueError(f"{which}: only for design fractional, but design is {self.design}; leave it out")
        if self.resolution is not None and self.runs is not None:
            raise ValueError("`resolution` and `runs` both set: one follows from the other, leave one out")
        if self.design == "one-at-a-time":
            self._check_levels()
            return self
        if self.levels:
            raise ValueError(f"levels: only for design one-at-a-time, but design is {self.design}; set it, or arms")
        if not self.arms:
            what = (
                "is empty; expected at least one entry"
                if "arms" in self.model_fields_set
                else "is missing; give one or more"
            )
            raise ValueError(f"arms: {what}, such as `baseline: {{}}`")
        if self.design != "add-one":
            for (a, first), (b, second) in itertools.combinations(self.arms.items(), 2):
                for key in sorted(first.keys() & second.keys()):
                    raise ValueError(f"arms {a} and {b} both set {key}: {self.design} cannot merge them")
            if not self._active:
                raise ValueError(f"{self.design} needs an arm that changes something")
            self._kept()  # raises if no such fraction exists
        return self

    def _check_levels(self) -> None:
        if self.arms:
            raise ValueError("arms: design one-at-a-time takes `levels`; leave arms out, or use design add-one")
        if not self.levels:
            raise ValueError("levels: is missing; design one-at-a-time expects {dotted key: [values]}")
        for key, values in self.levels.items():
            if not values:
                raise ValueError(f"levels.{key}: is empty; expected at least one value")
            if repeated := _repeated(map(_text, values)):
                raise ValueError(f"levels.{key}: {repeated} is there twice; leave one out")

    @property
    def _active(self) -> dict[str, dict[str, Any]]:
        """Arms that change something: the factors of a design that merges them."""
        return {name: changes for name, changes in self.arms.items() if changes}

    def _kept(self) -> dict[str, list[str]]:
        """{arm of a merging design: the arms of the file that it merges}."""
        active = list(self._active)
        if self.design == "leave-one-out":
            return {"full": active} | {f"without {out}": [n for n in active if n != out] for out in active}
        combinations: Iterable[tuple[bool, ...]]
        if self.design == "factorial":
            combinations = itertools.product((False, True), repeat=len(active))
        elif self.runs is not None:
            combinations = fraction_of(len(active), self.runs)
        else:
            combinations = fraction(len(active), self.resolution or 4)
        chosen = [list(itertools.compress(active, flags)) for flags in combinations]
        return {" + ".join(names) or BASELINE: names for names in chosen}

    def designed_arms(self, base: Trial | None = None) -> dict[str, dict[str, Any]]:
        """{arm name: changes to the base trial} after the design is applied.

        Args:
            base: levels that it has already are the baseline's, and no arm of their own.
        """
        if self.design == "add-one":
            return dict(self.arms)
        if self.design == "one-at-a-time":
            tree = base.model_dump(mode="json") if base else {}
            found = [(key, v) for key, values in self.levels.items() for v in values if not _same(get(tree, key), v)]
            return {BASELINE: {}} | {level_name(key, value): {key: value} for key, value in found}
        active = self._active
        return {arm: {k: v for n in names for k, v in active[n].items()} for arm, names in self._kept().items()}

    def tuned_replicates(self) -> tuple[int | None, ...]:
        """The replicates that are tuned, each by itself; (None,) if all share one tuning, () if nothing is tuned."""
        if self.tune is None:
            return ()
        return (None,) if self.tune.repeat == "once" else tuple(range(self.seeds.independent))

    def varied(self) -> set[str]:
        """Dotted keys that arms or levels set, or that are tuned."""
        tuned = {*self.tune.space, *(key for own in self.tune.per_arm.values() for key in own)} if self.tune else set()
        return {key for changes in self.arms.values() for key in changes} | set(self.levels) | tuned


def level_name(key: str, value: Any) -> str:
    """The arm of one level: `objective.local.weight=0.5`."""
    return f"{key}={_text(value)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _same(first: Any, second: Any) -> bool:
    return bool(json.loads(json.dumps(first)) == json.loads(json.dumps(second))) and isinstance(
        first, bool
    ) == isinstance(second, bool)


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]
