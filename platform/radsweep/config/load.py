"""Experiment files read, changed with `--set`, checked, and explained where they are wrong."""

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
from radsweep.config.search import Dimension
from radsweep.config.trial import Trial
from radsweep.config.tune import Tune
from radsweep.config.yaml_files import UniqueKeys
from radsweep.errors import InputError

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


def read_tree(path: str | Path, changes: Iterable[str] = ()) -> dict[str, Any]:
    """The values of an experiment file after `--set` changes, unchecked. Raises InputError where it is no YAML."""
    path = Path(path)
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the path of an experiment file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; an experiment file is YAML in UTF-8") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: {_place(error)}is no valid YAML: {_problem(error)}") from None
    if not isinstance(tree, dict):
        raise InputError(f"{path}: expected keys such as `experiment:` and `data:`, found {found(tree)}")
    return keys.with_values(tree, parse_changes(changes))


def written(tree: Mapping[str, Any]) -> str:
    """YAML that `read_tree` reads as `tree`."""
    return yaml.dump(dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_experiment(tree: Mapping[str, Any], where: str) -> Experiment:
    """A checked experiment from nested values; `where` names their origin in messages."""
    experiment = _validated(Experiment, tree, where)
    problems = list(_ablation_problems(experiment)) + list(_search_problems(experiment))
    if problems:
        raise InputError("\n".join(f"{where}: {problem}" for problem in problems))
    return experiment


def trial_with(base: Trial, values: Mapping[str, Any]) -> Trial:
    """`base` with dotted keys set.

    Raises:
        InputError: an unknown key or a value out of bounds.
    """
    return _validated(Trial, keys.with_values(base.model_dump(mode="json"), values), "trial")


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
            raise InputError(f"--set {change}: the value is no valid YAML; quote it") from None
    return values


def _validated(model: type[Checked], tree: Mapping[str, Any], where: str) -> Checked:
    try:  # JSON mode: lists pass for tuples, but text never passes for a number
        return model.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        lines = dict.fromkeys(f"{where}: {explain(model, detail)}" for detail in error.errors())
        raise InputError("\n".join(lines)) from None


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
        return str(error).splitlines()[0].removeprefix("trial: ").removeprefix(f"{key}: ")
    return None


def _ablation_problems(experiment: Experiment) -> Iterator[str]:
    if experiment.ablation is None:
        return
    base = experiment.trial()
    sound = True
    for arm, changes in experiment.ablation.arms.items():
        for key, value in changes.items():
            if problem := _value_problem(base, key, value):
                sound = False
                yield f"ablation.arms.{arm}.{key}: {problem}"
    for key, values in experiment.ablation.levels.items():
        if problem := next((found for value in values if (found := _value_problem(base, key, value))), None):
            sound = False
            yield f"ablation.levels.{key}: {problem}"
    if not sound:
        return
    designed = experiment.ablation.designed_arms(base)
    part = "levels" if experiment.ablation.levels else "arms"
    if part == "levels" and len(designed) == 1:
        yield "ablation.levels: every value is the base trial's own, so that nothing is compared; add another"
    for arm, changes in designed.items():
        sizes: list[dict[str, Any]] = [{"data.pairs": n} for n in experiment.ablation.pairs] or [{}]
        for size in sizes:
            try:
                trial_with(base, changes | size)
            except InputError as error:
                yield f"ablation.{part}.{arm}: {str(error).removeprefix('trial: ')}"
    if experiment.ablation.tune is not None:
        yield from _tune_problems(experiment.ablation.tune, base, designed)


def _tune_problems(tune: Tune, base: Trial, arms: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for arm in tune.own:
        if arm not in arms:
            yield f"ablation.tune.own.{arm}: no such arm; the arms are {', '.join(arms)}"
    for arm, changes in arms.items():
        if not tune.space_of(arm):
            yield f"ablation.tune: nothing is tuned in {arm}, so that the other arms would have the better of it"
        place = f"ablation.tune.own.{arm}" if arm in tune.own else "ablation.tune.space"
        yield from (f"{place}.{problem}" for problem in _space_problems(tune.space_of(arm), trial_with(base, changes)))


def _search_problems(experiment: Experiment) -> Iterator[str]:
    if experiment.search is None:
        return
    for problem in _space_problems(experiment.search.space, experiment.trial()):
        yield f"search.space.{problem}"


def _space_problems(space: Mapping[str, Dimension], base: Trial) -> Iterator[str]:
    known = list(keys.leaf_keys(Trial))
    for key, dimension in space.items():
        for value in dimension.extremes():
            if problem := _value_problem(base, key, value):
                yield f"{key}: {problem}"
                break
        if (condition := dimension.condition) and condition.key not in known:
            yield f"{key}.only_if: unknown key {condition.key}{dotted_hint(condition.key, known)}"
