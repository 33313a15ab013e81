"""The JSON schema that editors check experiment files against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from radsweep.config.experiment import Experiment

FILES = sorted((Path(__file__).resolve().parents[2] / "search_spaces").glob("*.yaml"))
SCHEMA = Experiment.model_json_schema()
MINIMAL: dict[str, Any] = {"experiment": "t", "data": {"shards": "x"}}


def test_the_schema_is_a_valid_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_schema_accepts_the_ready_made_files(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [{"colour": "red"}, {"train": {"epochs": "many"}}, {"objective": {"local": {"weight": -1}}}, {"search": {}},
     {"search": {"space": {}}}, {"search": {"space": {"train.seed": {"whole": [0, 1]}}}}, {"ablation": {"arms": {}}}],
)  # fmt: skip
def test_the_schema_refuses_what_the_loader_refuses(wrong: dict[str, Any]) -> None:
    jsonschema.validate(MINIMAL, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(MINIMAL | wrong, SCHEMA)


def test_every_field_says_what_it_is_for() -> None:
    fields = [
        (name, key, value)
        for name, model in {**SCHEMA["$defs"], "Experiment": SCHEMA}.items()
        for key, value in model["properties"].items()
        if "$ref" not in value
    ]
    assert [f"{name}.{key}" for name, key, value in fields if not value.get("description")] == []
