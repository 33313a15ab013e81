"""Reference pages contain every field and every command. The tests find these in another way than the pages do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from radsweep.cli.app import app
from radsweep.config.experiment import Experiment
from support.pages import generated

SCHEMA = Experiment.model_json_schema()


@pytest.fixture(scope="module")
def fields() -> dict[str, list[str]]:
    """{dotted key: cells of its row}."""
    page = generated()["docs/reference/experiment-file.md"]()
    rows = (re.split(r" (?<!\\)\| ", line.strip("| ")) for line in page.splitlines() if "`" in line and line[0] == "|")
    return {re.findall(r"`([^`]+)`", cells[0])[0]: cells for cells in rows}


def schema_fields(node: dict[str, Any], key: str = "", held: Any = None) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield the dotted key, JSON schema and default of every value that a file may set; names in mappings are NAME."""
    node = SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]] | node if "$ref" in node else node
    options = [option for option in node.get("anyOf", [node]) if option.get("type") != "null"]
    inner = [option for option in options if "$ref" in option or "properties" in option]
    if "properties" in node:
        for name, value in node["properties"].items():
            default = held[name] if isinstance(held, dict) and name in held else value.get("default")
            yield from schema_fields(value, f"{key}.{name}" if key else name, default)
    elif inner:
        yield from schema_fields(inner[0], key, held)
    elif "$ref" in str(node.get("additionalProperties", "")):
        yield from schema_fields(node["additionalProperties"], f"{key}.NAME")
    else:
        yield key, node, held


def test_every_field_of_the_schema_has_a_row_with_its_default_and_description(fields: dict[str, list[str]]) -> None:
    expected = {key: (node, default) for key, node, default in schema_fields(SCHEMA)}
    assert len(expected) > 150
    assert expected.keys() - fields.keys() == set()
    for key, (node, default) in expected.items():
        assert fields[key][-1] == node["description"].replace("|", "\\|"), key
        if default is not None:
            shown = fields[key][2].strip("`")
            assert (shown if isinstance(default, str) else json.loads(shown)) == default, key


def test_every_row_belongs_to_a_field(fields: dict[str, list[str]]) -> None:
    known = {key for key, _, _ in schema_fields(SCHEMA)}
    groups = {".".join(key.split(".")[:depth]) for key in known for depth in range(1, key.count(".") + 1)}
    assert fields.keys() <= known | groups


@pytest.mark.parametrize(
    ("key", "kind", "default", "bounds"),
    [
        ("data.shards", "text", "**required**", ""),
        ("data.folds", "whole number", "–", "3 or more, 20 or less"),
        ("data.fraction", "number", "–", "more than 0, 1 or less"),
        ("model.image.freeze", "true or false", "`false`", ""),
        ("train.until", "`plateau`, `epochs`, `steps`", "`plateau`", ""),
        ("augment.image.crop", "[number, number]", "`[0.6, 1.0]`", ""),
        ("augment.ssl.crop", "[number, number]", "`[0.3, 1.0]`", ""),
        ("evaluate.linear_probe.fractions", "list of numbers", "`[0.01, 0.1, 1.0]`",
         "1 entries or more, each more than 0, each 1 or less"),
        ("search.space.NAME.int", "[whole number, whole number]", "–", ""),
        ("ablation.arms", "`{name: {name: value}}`", "`{}`", "1 entries or more"),
    ],
)  # fmt: skip
def test_types_defaults_and_bounds_are_in_words(
    fields: dict[str, list[str]], key: str, kind: str, default: str, bounds: str
) -> None:
    assert fields[key][1:4] == [kind, default, bounds]


def test_every_command_has_its_help_and_its_options() -> None:
    page = generated()["docs/reference/commands.md"]()
    parts = {part.split(" {", 1)[0]: part for part in page.split("\n## ")[1:]}
    shown = {name: CliRunner().invoke(app, [*name.split()[1:], "--help"], terminal_width=10_000) for name in parts}
    for name, part in parts.items():
        options = set(re.findall(r"^  (--[a-z-]+)", shown[name].stdout, re.MULTILINE)) - {"--help"}
        assert options == set(re.findall(r"^\| `(--[a-z-]+)", part, re.MULTILINE)), name
        assert shown[name].stdout.split("\n\n")[1].strip() in part
    top = {name for group in ([], ["pack"]) for name in _listed(group)} - {"radsweep pack"}
    assert parts.keys() == top


def _listed(group: list[str]) -> list[str]:
    """List the commands that help shows, such as `radsweep pack csv`."""
    told = CliRunner().invoke(app, [*group, "--help"]).stdout.split("Commands:\n")[1]
    return [" ".join(["radsweep", *group, name]) for name in re.findall(r"^  ([a-z][a-z-]*) ", told, re.MULTILINE)]
