"""Settings, paths and targets that README and docs name exist, and pieces of experiment files are valid."""

from __future__ import annotations

import re

import pytest
import yaml

from radsweep.config import keys
from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_changes, parse_experiment
from radsweep.errors import InputError
from support.pages import MINIMAL, ROOT, Code, blocks, spans

LEAVES = set(keys.leaf_keys(Experiment))
KEYS = LEAVES | {".".join(key.split(".")[:depth]) for key in LEAVES for depth in range(1, key.count(".") + 1)}
PARTS = "|".join(name for name in Experiment.model_fields if name != "experiment")
FILE = re.compile(r"\S+\.(csv|json|yaml|html|py)")
BLOCKS = [code for code in blocks() if code.language == "yaml"]
NAMED = [code for code in spans() if re.fullmatch(rf"({PARTS})((\.[a-z_]+)+|(\.[a-z_]+)*: .+)", code.text)]
NAMED = [code for code in NAMED if not FILE.fullmatch(code.text)]


def check_block(text: str) -> None:
    parse_experiment(MINIMAL | yaml.safe_load(text), "block")


def check_named(text: str) -> None:
    """Check a key, a key with a value, or a key with its choices, such as `train.until: epochs, steps`."""
    key, _, value = text.partition(": ")
    if key not in KEYS:
        raise InputError(f"{key}: unknown key")
    whole = MINIMAL | {"ablation": {"arms": {"baseline": {}}}} if value and key.startswith("ablation.") else MINIMAL
    for one in [value] if value[:1] in ("", "{", "[") else value.split(", "):
        parse_experiment(keys.with_values(whole, parse_changes([f"{key}={one}"]) if one else {}), text)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.place)
def test_a_piece_of_an_experiment_file_is_valid(code: Code) -> None:
    check_block(code.text)


@pytest.mark.parametrize("code", NAMED, ids=lambda code: f"{code.place} {code.text}")
def test_a_key_in_a_sentence_exists_and_accepts_its_value(code: Code) -> None:
    check_named(code.text)


def test_blocks_and_keys_of_the_pages_are_found() -> None:
    assert len(BLOCKS) > 8
    assert len(NAMED) > 40


@pytest.mark.parametrize(
    "text", ["train.epoch", "train.until: forever", "objective.contrast.kind: infonce, clip", "run: {slot: 1}"]
)
def test_a_wrong_key_or_value_in_a_sentence_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        check_named(text)


@pytest.mark.parametrize(
    "text", ["train: {epoch: 3}", "ablation: {arms: {}}", "ablation: {arms: {a: {train.epoch: 3}}}"]
)
def test_a_wrong_piece_of_an_experiment_file_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        check_block(text)


def test_every_block_is_marked_with_its_language() -> None:
    assert {code.language for code in blocks()} == {"bash", "yaml", "text", "python"}


def test_files_and_make_targets_that_the_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    words = [word.removesuffix(":") for code in [*spans(), *blocks()] for word in code.text.split()]
    own = {word for word in words if re.match(r"(platform|tests|benchmarks|jobs|search_spaces|docs)/\w", word)}
    assert len(own) > 10
    assert [path for path in sorted(own) if not (ROOT / path).exists()] == []
    made = {code.text.split()[1] for code in spans() if code.text.startswith("make ")}
    assert made
    assert made <= targets
