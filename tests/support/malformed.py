"""Malformed experiment files. Made from the schema: each field with a wrong type, a value out of range or a misspelt
name, drawn by a seed. Made by hand: repeated keys, impossible designs, invalid YAML."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from radsweep.config.experiment import Experiment

BASE: dict[str, Any] = {"experiment": "wrong", "data": {"shards": "phantom:standard-300"}}
PARTS: dict[str, dict[str, Any]] = {  # what a field needs around it
    "ablation": {"arms": {"baseline": {}, "local": {"objective.local.weight": 1}}},
    "search": {"space": {"objective.local.weight": {"uniform": [0, 1]}}},
}
SCHEMA = Experiment.model_json_schema(by_alias=True)


class Wrong(NamedTuple):
    name: str
    text: str  # of the file
    key: str  # that the message has to name


def generated(seed: int = 0) -> list[Wrong]:
    """Make at least one for each field of the experiment file, always the same ones."""
    rng = random.Random(seed)
    cases = []
    for path, schema in _leaves(SCHEMA, ()):
        kinds = [_wrong_type(schema), *_out_of_range(schema)]
        cases.append(_case(f"{'.'.join(path)} {rng.choice(['a', 'b'])}", path, rng.choice(kinds)))
        if rng.random() < 0.35:
            misspelt = (*path[:-1], _misspelt(path[-1], rng))
            cases.append(_case(f"{'.'.join(path)} misspelt", misspelt, 1))
    return [case._replace(name=f"{number} {case.name[:-2]}") for number, case in enumerate(cases)] + _by_hand()


def _leaves(schema: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    for name, field in schema["properties"].items():
        inner = _settings(field)
        if inner is None or "oneOf" in field:
            yield (*path, name), field
        else:
            yield from _leaves(inner, (*path, name))


def _settings(field: dict[str, Any]) -> dict[str, Any] | None:
    """The settings class of a field, if it has one."""
    for option in (field, *field.get("anyOf", ())):
        if "$ref" in option:
            found: dict[str, Any] = SCHEMA["$defs"][option["$ref"].rsplit("/", 1)[1]]
            return found if "properties" in found else None
    return None


def _options(field: dict[str, Any]) -> list[dict[str, Any]]:
    return [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]


def _wrong_type(field: dict[str, Any]) -> Any:
    kinds = {option.get("type") for option in _options(field)}
    if kinds & {"integer", "number", "boolean"}:
        return "plenty"
    return 17 if kinds & {"array", "object"} else ["neither", "this"]


def _out_of_range(field: dict[str, Any]) -> Iterator[Any]:
    for option in _options(field):
        if "minimum" in option:
            yield option["minimum"] - 1
        if "exclusiveMinimum" in option:
            yield option["exclusiveMinimum"]
        if "maximum" in option:
            yield option["maximum"] + 1
        if "exclusiveMaximum" in option:
            yield option["exclusiveMaximum"]
        if "enum" in option and all(isinstance(value, str) for value in option["enum"]):
            yield option["enum"][-1] + "s"
        if option.get("type") == "integer":
            yield 2.5
        if option.get("type") == "number":
            yield float("nan")


def _misspelt(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name))
    return rng.choice([name[:at] + name[at:][1:] + "x", name[:at] + "q" + name[at:], name + "_"])


def _case(name: str, path: tuple[str, ...], value: Any) -> Wrong:
    tree = copy.deepcopy(BASE)
    if path[0] in PARTS and len(path) > 1:
        tree[path[0]] = copy.deepcopy(PARTS[path[0]])
    node = tree
    for part in path[:-1]:
        node = node.setdefault(part, {})
    node[path[-1]] = value
    return Wrong(name, yaml.safe_dump(tree, sort_keys=False), ".".join(path))


def _by_hand() -> list[Wrong]:
    head = yaml.safe_dump(BASE, sort_keys=False)
    six = ", ".join(f"{name}: {{augment.text.{name}: 0.1}}" for name in ("swap", "delete", "insert", "synonyms"))

    def ablation(text: str) -> str:
        return f"{head}ablation: {{{text}}}\n"

    parts = {
        "a repeated key": (head + "train: {epochs: 1, epochs: 2}\n", "'epochs' is repeated"),
        "a repeated group": (head + "data: {shards: again}\n", "'data' is repeated"),
        "a repeated arm": (ablation("arms: {a: {}, a: {}}"), "'a' is repeated"),
        "no YAML": (head + "train: {epochs: [\n", "line 5"),
        "a tab": (head + "train:\n\tepochs: 3\n", "line 5"),
        "a list": ("- experiment\n- data\n", "experiment"),
        "nothing": ("", "experiment"),
        "a tag": (head + "train: !!python/object/apply:os.system [ls]\n", "line 4"),
        "no shards": ("experiment: wrong\n", "data"),
        "no name": ("data: {shards: x}\n", "experiment"),
        "a name with a slash": ("experiment: a/b\ndata: {shards: x}\n", "experiment"),
        "a dotted key at the top": (head + "train.epochs: 3\n", "train.epochs"),
        "an unknown design": (ablation("arms: {a: {}}, design: latin"), "ablation.design"),
        "too few factors": (ablation("arms: {a: {train.clip: 2}}, design: fractional"), "ablation.arms"),
        "no such resolution": (ablation(f"arms: {{{six}}}, design: fractional, resolution: 5"), "ablation.resolution"),
        "no such number of runs": (ablation(f"arms: {{{six}}}, design: fractional, runs: 12"), "ablation.runs"),
        "two numbers for one": (ablation(f"arms: {{{six}}}, design: fractional, runs: 8, resolution: 4"), "ablation"),
        "levels of no key": (ablation("design: one-at-a-time, levels: {train.clop: [1]}"), "levels.train.clop"),
        "no level": (ablation("design: one-at-a-time, levels: {train.clip: []}"), "ablation.levels.train.clip"),
        "a level twice": (ablation("design: one-at-a-time, levels: {train.clip: [2, 2]}"), "levels.train.clip"),
        "a level out of range": (
            ablation("design: one-at-a-time, levels: {train.clip: [2, 0]}"), "ablation.levels.train.clip",
        ),
        "levels beside arms": (ablation("arms: {a: {}}, levels: {train.clip: [2]}"), "ablation.levels"),
        "arms beside levels": (
            ablation("design: one-at-a-time, arms: {a: {}}, levels: {train.clip: [2]}"), "ablation.arms",
        ),
        "no arms": (ablation("design: factorial"), "ablation.arms"),
        "arms that clash": (
            ablation("arms: {a: {train.clip: 1}, b: {train.clip: 2}}, design: factorial"), "train.clip",
        ),
        "a size twice": (ablation("arms: {a: {}}, pairs: [20, 20]"), "ablation.pairs"),
        "more pairs than there are": (ablation("arms: {a: {}}, pairs: [301]"), "data.pairs"),
        "an arm of data": (ablation("arms: {a: {}, b: {data.shards: elsewhere}}"), "data.shards"),
        "a fold": ("experiment: wrong\ndata: {shards: 'phantom:standard-300', folds: 5, fold: 1}\n", "data.fold"),
        "low above high": (head + "search: {space: {train.clip: {uniform: [2, 1]}}}\n", "search.space.train.clip"),
        "two kinds of one dimension": (
            head + "search: {space: {train.clip: {uniform: [1, 2], choice: [1]}}}\n", "search.space.train.clip",
        ),
        "a condition on nothing": (
            head + "search: {space: {train.clip: {uniform: [1, 2], only_if: train.klip > 0}}}\n", "only_if",
        ),
    }  # fmt: skip
    return [Wrong(name, text, key) for name, (text, key) in parts.items()]
