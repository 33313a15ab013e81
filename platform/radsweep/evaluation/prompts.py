"""Prompts of zero-shot classification: for each class what says that it is there, and what says that it is not.

A file is YAML in UTF-8; `prompt_files/chexpert.yaml` shows the form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from radsweep.config.explain import expectation, suggestion
from radsweep.config.yaml_files import TextLoader, read_shipped
from radsweep.errors import InputError, joined

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"\w")]

_SHIPPED = resources.files("radsweep.evaluation") / "prompt_files"
_FORM = "expected classes, each with `positive:` and `negative:` lists of prompts"


class ClassPrompts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    positive: tuple[Prompt, ...] = Field(min_length=1)
    negative: tuple[Prompt, ...] = Field(min_length=1)


@dataclass(frozen=True)
class PromptSet:
    classes: Mapping[str, ClassPrompts]
    source: str  # the name or path it was read from

    @cached_property
    def sha256(self) -> str:
        """Hash of the prompts, for the record. Comments in the file do not change it."""
        content = {name: [prompts.positive, prompts.negative] for name, prompts in self.classes.items()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def by_label(self, labels: Collection[str]) -> dict[str, ClassPrompts]:
        """Prompts under the names of the labels that have some; case, spaces, `_` and `-` do not count.

        Raises:
            InputError: none of the labels has prompts.
        """
        known = {_plain(name): prompts for name, prompts in self.classes.items()}
        found = {label: known[_plain(label)] for label in labels if _plain(label) in known}
        if not found:
            raise InputError(
                f"{self.source}: has prompts for {', '.join(self.classes)}, and none for a label of the data "
                f"({', '.join(labels) or 'it has none'}); write a prompt file with the data's names"
            )
        return found


def load_prompts(prompts: str | Path) -> PromptSet:
    """The prompts that ship under a name (`chexpert`), or those of a YAML file.

    Raises:
        InputError: no such name or file, or a file of another form; names file, class, key and what was expected.
    """
    try:
        tree = yaml.load(read_shipped(str(prompts), _SHIPPED, "a set of prompts"), TextLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{prompts}: is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict) or not tree:
        raise InputError(f"{prompts}: {_FORM}")
    try:
        classes = TypeAdapter(dict[str, ClassPrompts]).validate_python(tree)
    except ValidationError as error:
        raise joined(InputError(f"{prompts}: {_explain(detail)}") for detail in error.errors()) from None
    if problems := list(_repeats(classes)):
        raise joined(InputError(f"{prompts}: {problem}") for problem in problems)
    return PromptSet(classes, str(prompts))


def _explain(detail: ErrorDetails) -> str:
    """One line: class, key, entry, what was expected."""
    name, *place = detail["loc"]
    where = ", ".join([f"class {name}", *(f"entry {part + 1}" if isinstance(part, int) else part for part in place)])
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key{suggestion(str(place[-1]), list(ClassPrompts.model_fields))}"
    if detail["type"] == "missing":
        return f"{where}: is missing; expected a list of prompts"
    if detail["type"] == "too_short":
        return f"{where}: is empty; expected at least one prompt"
    if place and place[-1] in ClassPrompts.model_fields:
        return f"{where}: expected a list of prompts"
    if len(place) == 2:
        return f"{where}: expected a prompt: text with words"
    return f"{where}: {expectation(detail) if place else 'expected the keys positive and negative'}"


def _repeats(classes: Mapping[str, ClassPrompts]) -> Iterator[str]:
    owner: dict[str, str] = {}
    for name, prompts in classes.items():
        if (plain := _plain(name)) in owner:
            yield f"class {name}: is {owner[plain]!r} written otherwise; keep one"
        owner[plain] = name
        where: dict[str, str] = {}
        for key in ("positive", "negative"):
            for entry, prompt in enumerate(getattr(prompts, key), start=1):
                if (text := prompt.casefold()) in where:
                    yield f"class {name}, {key}, entry {entry}: is the same prompt as {where[text]}"
                where[text] = f"{key}, entry {entry}"


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
