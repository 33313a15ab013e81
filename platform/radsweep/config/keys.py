"""Dotted keys: `objective.local.weight` read from, and set in, nested settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

# Earlier names of keys, for the message that an old experiment file gets.
RENAMED = {
    "ablation.tune.own": "ablation.tune.per_arm",
    "evaluate.against": "evaluate.public_models",
    "model.from": "model.pretrained",
    "objective.contrast.same_report": "objective.positives.same_report",
    "search.grace": "search.grace_period",
    "search.reduction": "search.reduction_factor",
    "search.smallest": "search.min_pairs",
}


def field_model(annotation: Any) -> type[BaseModel] | None:
    """The settings class that a field's annotation holds, also inside `X | None`; None for a plain value."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def leaf_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key of `model` that holds a value."""
    for name, field in model.model_fields.items():
        inner = field_model(field.annotation)
        key = prefix + (field.alias or name)
        if inner is None:
            yield key
        else:
            yield from leaf_keys(inner, f"{key}.")


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{dotted key: value} of nested mappings."""
    result: dict[str, Any] = {}
    for key, value in tree.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return result


def get(tree: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key; None where a part of the way is missing."""
    value: Any = tree
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def with_values(tree: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `tree` with the dotted keys of `values` set, and mappings made on the way; it shares what it keeps."""
    result = dict(tree)
    for key, value in values.items():
        *parents, last = key.split(".")
        node = result
        for part in parents:
            child = node.get(part)
            node[part] = child = dict(child) if isinstance(child, Mapping) else {}
            node = child
        node[last] = value
    return result
