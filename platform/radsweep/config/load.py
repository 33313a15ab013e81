"""Experiment files read, changed with `--set`, checked, and explained if they are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from radsweep.config import keys
from radsweep.config.experiment import Experiment
from radsweep.config.explain import found
from radsweep.config.overridden import overridden
from radsweep.config.problems import problems_of
from radsweep.config.trees import from_tree, trial_with
from radsweep.config.yaml_files import UniqueKeys
from radsweep.errors import InputError, explaining, joined

__all__ = ["load_base", "load_experiment", "parse_changes", "parse_experiment", "read_tree", "trial_with", "written"]

_DESIGNS = ("search", "ablation")


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
    experiment = from_tree(Experiment, tree, file)
    problems = list(overridden(experiment)) or list(problems_of(experiment))
    if problems:
        with explaining(file):
            raise joined(problems)
    return experiment


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


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    problem = ", ".join(filter(None, parts)) or " ".join(str(error).split())
    if "'\\t'" in problem:
        return f"{problem}; indent with spaces"
    return f"{problem}; leave the tag out" if "constructor for the tag" in problem else problem
