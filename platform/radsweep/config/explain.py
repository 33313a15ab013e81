"""Messages about wrong settings: the key, what was expected, what was found, the nearest right key."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from radsweep.config import keys, metrics
from radsweep.errors import InputError

Validated = TypeVar("Validated", bound=BaseModel)

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "text",
    "model": "keys with values ({} for none)",
    "dict": "keys with values ({} for none)",
    "tuple": "a list",
    "list": "a list",
}
_BOUNDS = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "text of {min_length} or more characters",
    "too_short": "{min_length} entries or more",
    "too_long": "{max_length} entries at most",
}
_KEY_WITHIN = re.compile(r"(([a-z_]+)[\w.]*): ")
_MOST_NAMED = 20  # known keys


def explain(model: type[BaseModel], detail: ErrorDetails, file: str = "") -> InputError:
    """The error that pydantic found, in one line; `file` is where the settings were read from."""
    key, message = _explained(model, detail)
    return InputError(message, key=key, file=file)


def _explained(model: type[BaseModel], detail: ErrorDetails) -> tuple[str, str]:
    """(key, message); no key for an error of the settings as a whole."""
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden" and key in keys.RENAMED:
        return key, f"renamed; write {keys.RENAMED[key]}"
    if detail["type"] == "extra_forbidden":
        return key, f"unknown key{_nearest(location, model)}"
    if detail["type"] == "missing":
        if location[-1].isdigit():
            return ".".join(location[:-1]), f"entry {int(location[-1]) + 1} is missing"
        return key, f"is missing; {_wanted(location, model)}"
    if detail["type"] == "too_short" and not detail["input"]:
        return key, "is empty; expected at least one entry"
    message = expectation(detail)
    if key == "evaluate.select":
        return key, f"{message}{suggestion(str(detail['input']), metrics.selectable())}"
    within = _KEY_WITHIN.match(message)  # of several keys together: the message itself names one
    if within and within[2] in _fields_at(location, model):
        return ".".join([*location, within[1]]), message[within.end() :]
    given = detail["input"]
    shown = f", found {json.dumps(given, default=str)}" if not isinstance(given, dict | list) else ""
    return key, f"{message}{shown}" if key and not within else message


def validated(settings: type[Validated], given: Mapping[str, Any], name_of: Callable[[str], str] = str) -> Validated:
    """Settings of one level from values by field.

    Args:
        name_of: what a field is called in messages.

    Raises:
        InputError: a line for each value that is wrong.
    """
    try:
        return settings.model_validate(given)
    except ValidationError as error:
        lines = [f"{name_of(str(detail['loc'][0]))}: {expectation(detail)}" for detail in error.errors()]
        raise InputError("\n".join(dict.fromkeys(lines))) from None


def expectation(detail: ErrorDetails) -> str:
    """The expectation in words: `expected 0 or more`."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BOUNDS:
        return f"expected {_BOUNDS[kind].format(**context)}"
    known = _KINDS.get(kind) or _KINDS.get(kind.split("_")[0])
    if known:
        return f"expected {known}"
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "expected")


def suggestion(word: str, known: Sequence[str]) -> str:
    """`; did you mean ...?` with the nearest of the known names, or all of them if none is near."""
    if close := difflib.get_close_matches(word, known, 1, 0.5):
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(known)}" if len(known) <= _MOST_NAMED else "; `radsweep schema` has all keys"


def dotted_hint(key: str, known: Sequence[str]) -> str:
    """A hint on a key that should be a dotted one: the nearest, the same word elsewhere, or one of a group's own."""
    if key in keys.RENAMED:
        return f": it was renamed; write {keys.RENAMED[key]}"
    inside = [name for name in known if name.startswith(f"{key}.")]
    if inside:
        return f": it is a group; give its keys with dots, such as {inside[0]}"
    near = difflib.get_close_matches(key, known, 1, 0.7)
    return ("" if near else _elsewhere(key.rsplit(".", 1)[-1], known)) or suggestion(key, known)


def _nearest(location: list[str], model: type[BaseModel]) -> str:
    """A hint: a close key beside the wrong one, else the same word elsewhere, else the keys beside it."""
    *parents, word = location
    known = list(keys.leaf_keys(model))
    if ".".join(location) in known:
        *outer, last = word.split(".")
        return f"; dots are for --set, arms and spaces, here write {': {'.join([*outer, last])}: ...{'}' * len(outer)}"
    siblings = [".".join([*parents, name]) for name in _fields_at(parents, model)]
    near = difflib.get_close_matches(".".join(location), siblings, 1, 0.8)
    return ("" if near else _elsewhere(word, known)) or suggestion(".".join(location), siblings)


def _wanted(location: Sequence[str], model: type[BaseModel]) -> str:
    """The kind of value that a missing key needs."""
    *parents, word = location
    parent = _model_at(parents, model)
    field = parent.model_fields.get(word) if parent else None
    inner = keys.field_model(field.annotation) if field else None
    if inner is not None:
        return f"give its keys, {', '.join(list(inner.model_fields)[:3])} and so on"
    return f"give it: {field.description}" if field and field.description else "give it"


def _fields_at(location: Sequence[str], model: type[BaseModel]) -> list[str]:
    found = _model_at(location, model)
    return list(found.model_fields) if found else []


def _model_at(location: Sequence[str], model: type[BaseModel]) -> type[BaseModel] | None:
    inner: type[BaseModel] | None = model
    for part in location:
        field = inner.model_fields.get(part) if inner else None
        inner = keys.field_model(field.annotation) if field else inner  # a mapping's own key keeps the model
    return inner


def _elsewhere(word: str, known: Sequence[str]) -> str:
    same = [key for key in known if key.rsplit(".", 1)[-1] == word]
    return f"; did you mean {min(same, key=lambda key: key.count('.'))}?" if same else ""


def found(value: Any) -> str:
    """A YAML value's kind, in words."""
    return {dict: "keys with values", list: "a list", str: "text", type(None): "nothing"}.get(type(value), "a number")
