"""Page of every field of the experiment file, generated from the classes that define them."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from radsweep.config.experiment import Experiment
from radsweep.config.explain import expectation
from radsweep.config.keys import field_model

INTRODUCTION = """\
# Every field of the experiment file

An experiment file may set any of these fields; the others have their defaults. `--set KEY=VALUE` sets a field from the
command line. Arms, levels and search spaces take the keys of a trial, from `data` to `evaluate`. A wrong key or value
is reported with the closest valid one before anything starts. `radsweep schema` prints the fields as a JSON schema for
editors.
"""
HEAD = "| key | type | default | bounds | what it is |\n|---|---|---|---|---|"
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "value"}
# JSON schema keyword: pydantic's error for the bound, and the name of the limit in that error
BOUNDS = {
    "exclusiveMinimum": ("greater_than", "gt"),
    "minimum": ("greater_than_equal", "ge"),
    "exclusiveMaximum": ("less_than", "lt"),
    "maximum": ("less_than_equal", "le"),
    "pattern": ("string_pattern_mismatch", "pattern"),
}


def page() -> str:
    own = [Section("", Experiment, PydanticUndefined), *sections(Experiment)]
    return "\n".join([INTRODUCTION, *(text(section) for section in own)])


class Section:
    """Fields of one class at one place of the file; `default` is its value if a file does not set it."""

    def __init__(self, place: str, model: type[BaseModel], default: Any, about: str = "") -> None:
        self.place, self.model, self.default, self.about = place, model, default, about

    def key(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def fields(self) -> Iterator[tuple[str, FieldInfo, Any]]:
        """Yield dotted key, field and default."""
        for name, field in self.model.model_fields.items():
            default = getattr(self.default, name) if isinstance(self.default, BaseModel) else field.get_default()
            yield self.key(field.alias or name), field, default


def sections(model: type[BaseModel], place: str = "", default: Any = PydanticUndefined) -> Iterator[Section]:
    """Yield a section for every class below `model`, from top to bottom."""
    for key, field, held in Section(place, model, default).fields():
        inner, names = _inner(field.annotation)
        if inner is None:
            continue
        about = field.description or ""
        if names:  # values of a mapping, whose own row has the description
            key, about = ".".join([key, *names]), (inner.__doc__ or "").strip()
        yield Section(key, inner, held, about)
        yield from sections(inner, key, held)


def text(section: Section) -> str:
    """Heading and table. Settings that are groups only have a row if they have a description."""
    bounds = section.model.model_json_schema()["properties"]
    rows = []
    for key, field, default in section.fields():
        inner, names = _inner(field.annotation)
        if inner is not None and not field.description:
            continue
        short = key.rsplit(".", 1)[-1]
        target = ".".join([key, *names])
        named = f"[`{key}`](#{target})" if inner is not None else f'<a id="{key}"></a>`{key}`'
        cells = (named, kind(field.annotation), shown(field, default), limits(bounds[short]), field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    level = "#" * (2 + section.place.count("."))
    heading = f"{level} {section.place} {{ #{section.place} }}\n" if section.place else ""
    about = f"{section.about.removesuffix('.')}.\n" if section.about else ""
    return "\n".join([heading, about, *([HEAD, *rows] if rows else []), ""])


def kind(annotation: Any) -> str:
    """Type of a value, in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(inner[0])
    if origin in (Union, types.UnionType):
        plain = [part for part in inner if part is not type(None)]
        if {str, int, float, bool} <= set(plain):
            return " or ".join(["value", *(kind(part) for part in plain if part not in WORDS)])
        return " or ".join(kind(part) for part in plain)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is tuple:
        if inner[1:] != (...,):
            return f"[{', '.join(map(kind, inner))}]"
        each = kind(inner[0])
        return f"list of {each}s" if each in WORDS.values() else f"list, each of {each}"
    if origin is dict:
        return f"`{{name: {kind(inner[1]).strip('`')}}}`"
    return WORDS.get(annotation, "group")


def shown(field: FieldInfo, default: Any) -> str:
    if field.is_required():
        return "**required**"
    if default is None or isinstance(default, BaseModel):
        return "–"
    return f"`{json.dumps(default).removeprefix(chr(34)).removesuffix(chr(34))}`"


def limits(schema: dict[str, Any]) -> str:
    """Bounds of a value, and of each value of a list."""
    options = schema.get("anyOf", [schema])
    own = [_limit(name, option[name]) for option in options for name in BOUNDS if name in option]
    least = [option[name] for option in options for name in ("minItems", "minProperties") if name in option]
    if least and all("prefixItems" not in option for option in options):
        own.append(_expected("too_short", min_length=least[0]))
    entries = [option.get("items", {}) for option in options]
    own += [f"each {_limit(name, entry[name])}" for entry in entries for name in BOUNDS if name in entry]
    return ", ".join(own)


def _limit(name: str, value: Any) -> str:
    error, limit = BOUNDS[name]
    return _expected(error, **{limit: f"`{value}`" if name == "pattern" else value})


def _expected(error: str, **context: Any) -> str:
    """Word a bound like the error message about it."""
    detail: Any = {"type": error, "ctx": context}
    return expectation(detail).removeprefix("expected ")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, list[str]]:
    """Settings class of a field, and a placeholder for each name on the way through mappings."""
    names = []
    while get_origin(annotation) is dict:
        annotation = get_args(annotation)[1]
        names.append("NAME")
    return field_model(annotation), names
