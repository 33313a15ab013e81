"""Experiment files read, changed with `--set`, checked, and explained if they are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from radsweep.config import keys
from radsweep.config.experiment import Experiment
from radsweep.config.explain import dotted_hint, explain, found
from radsweep.config.overridden import overridden
from radsweep.config.search import Dimension
from radsweep.config.trial import Trial
from radsweep.config.tune import Tune
from radsweep.config.yaml_files import UniqueKeys
from radsweep.errors import InputError, explaining, joined

_DESIGNS = ("search", "ablation")

Checked = TypeVar("Checked", bound=BaseModel)


class _Loader(UniqueKeys, yaml.SafeLoader):
    """Safe, refuses repeated keys, and reads 5e-5 as the number it is (YAML 1.1 would read text)."""


class _Dumper(yaml.SafeDumper):
    """Quotes what the loader would take for a number."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def load_experiment(path: str | Path, changes: Iterable[str] = ()) -> Experiment:
    """The experiment in a YAML file, after `--set KEY=VALUE` changes.

    Raises:
        InputError: names the file, each wrong key, what was expected and the nearest right key.
    """
    return parse_experiment(read_tree(path, changes), str(path))


def load_base(path: str | Path, changes: Iterable[str] = ()) -> Experiment:
    """The same without its search or ablation, which are not looked at.

    Raises:
        InputError: as `load_experiment`, and if a change is to the search or the ablation.
    """
    changes = list(changes)
    for key in parse_changes(changes):
        if key.partition(".")[0] in _DESIGNS:
            raise InputError(f"--set {key}: a single trial has neither search nor ablation; leave it out")
    tree = {key: value for key, value in read_tree(path, changes).items() if key not in _DESIGNS}
    return parse_experiment(tree, str(path))


def read_tree(path: str | Path, changes: Iterable[str] = ()) -> dict[str, Any]:
    """The values of an experiment file after `--set` changes, unchecked. Raises InputError if it is not YAML."""
    path = Path(path)
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        message = f"cannot be read ({error.strerror}); give the path of an experiment file"
        raise InputError(message, file=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("is not valid UTF-8; save it as UTF-8", file=str(path)) from None
    except yaml.YAMLError as error:
        raise InputError(f"{_place(error)}is not valid YAML: {_problem(error)}", file=str(path)) from None
    if not isinstance(tree, dict):
        message = f"expected keys such as `experiment:` and `data:`, found {found(tree)}"
        raise InputError(message, file=str(path))
    return keys.with_values(tree, parse_changes(changes))


def written(tree: Mapping[str, Any]) -> str:
    """YAML that `read_tree` reads as `tree`."""
    return yaml.dump(dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_experiment(tree: Mapping[str, Any], file: str = "") -> Experiment:
    """A checked experiment from nested values; `file` is where they were read from, for messages.

    Raises:
        InputError: as `load_experiment`.
    """
    experiment = _validated(Experiment, tree, file)
    problems = list(overridden(experiment)) or [*_ablation_problems(experiment), *_search_problems(experiment)]
    if problems:
        with explaining(file):
            raise joined(problems)
    return experiment


def trial_with(base: Trial, values: Mapping[str, Any]) -> Trial:
    """`base` with dotted keys set.

    Raises:
        InputError: an unknown key or a value out of bounds.
    """
    return _validated(Trial, keys.with_values(base.model_dump(mode="json"), values))


def parse_changes(changes: Iterable[str]) -> dict[str, Any]:
    """{dotted key: value} of `KEY=VALUE` texts, values as YAML. Raises InputError."""
    values: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise InputError(f"--set {change}: expected KEY=VALUE, such as --set train.batch_size=32")
        try:
            values[key.strip()] = yaml.load(text, _Loader)
        except yaml.YAMLError:
            raise InputError(f"--set {change}: the value is not valid YAML; quote it") from None
    return values


def _validated(model: type[Checked], tree: Mapping[str, Any], file: str = "") -> Checked:
    try:  # JSON mode: lists pass for tuples, but text never passes for a number
        return model.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        raise joined(explain(model, detail, file) for detail in error.errors()) from None


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    problem = ", ".join(filter(None, parts)) or " ".join(str(error).split())
    if "'\\t'" in problem:
        return f"{problem}; indent with spaces"
    return f"{problem}; leave the tag out" if "constructor for the tag" in problem else problem


def _value_problem(base: Trial, key: str, value: Any) -> str | None:
    known = list(keys.leaf_keys(Trial))
    if key not in known:
        return f"unknown key{dotted_hint(key, known)}"
    try:
        trial_with(base, {key: value})
    except InputError as error:
        first = error.errors[0]
        return first.message if first.key == key else str(first)
    return None


def _ablation_problems(experiment: Experiment) -> Iterator[InputError]:
    if experiment.ablation is None:
        return
    base = experiment.trial()
    sound = True
    for arm, changes in experiment.ablation.arms.items():
        for key, value in changes.items():
            if problem := _value_problem(base, key, value):
                sound = False
                yield InputError(problem, key=f"ablation.arms.{arm}.{key}")
    for key, values in experiment.ablation.levels.items():
        if problem := next((found for value in values if (found := _value_problem(base, key, value))), None):
            sound = False
            yield InputError(problem, key=f"ablation.levels.{key}")
    if not sound:
        return
    designed = experiment.ablation.designed_arms(base)
    part = "levels" if experiment.ablation.levels else "arms"
    if part == "levels" and len(designed) == 1:
        message = "every value is the base trial's own, so that nothing is compared; add another"
        yield InputError(message, key="ablation.levels")
    for arm, changes in designed.items():
        sizes: list[dict[str, Any]] = [{"data.pairs": n} for n in experiment.ablation.pairs] or [{}]
        for size in sizes:
            try:
                trial_with(base, changes | size)
            except InputError as error:
                yield from (InputError(str(each), key=f"ablation.{part}.{arm}") for each in error.errors)
    if experiment.ablation.tune is not None:
        yield from _tune_problems(experiment.ablation.tune, base, designed)


def _tune_problems(tune: Tune, base: Trial, arms: Mapping[str, Mapping[str, Any]]) -> Iterator[InputError]:
    for arm in tune.per_arm:
        if arm not in arms:
            yield InputError(f"no such arm; the arms are {', '.join(arms)}", key=f"ablation.tune.per_arm.{arm}")
    for arm, changes in arms.items():
        if not tune.space_of(arm):
            message = f"nothing is tuned in {arm}, so that the other arms would have the better of it"
            yield InputError(message, key="ablation.tune")
        place = f"ablation.tune.per_arm.{arm}" if arm in tune.per_arm else "ablation.tune.space"
        yield from _space_problems(place, tune.space_of(arm), trial_with(base, changes))


def _search_problems(experiment: Experiment) -> Iterator[InputError]:
    if experiment.search is not None:
        yield from _space_problems("search.space", experiment.search.space, experiment.trial())


def _space_problems(place: str, space: Mapping[str, Dimension], base: Trial) -> Iterator[InputError]:
    """`place`: the key that holds the space."""
    known = list(keys.leaf_keys(Trial))
    for key, dimension in space.items():
        for value in dimension.extremes():
            if problem := _value_problem(base, key, value):
                yield InputError(problem, key=f"{place}.{key}")
                break
        if (condition := dimension.condition) and condition.key not in known:
            hint = dotted_hint(condition.key, known)
            yield InputError(f"unknown key {condition.key}{hint}", key=f"{place}.{key}.only_if")
