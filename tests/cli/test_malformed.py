"""A malformed experiment exits with 2; file, key and hint are reported; nothing is written or started."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.keys import leaf_keys
from radsweep.config.trial import Trial
from support.malformed import Wrong, generated

BASE = "experiment: wrong\ndata: {shards: 'phantom:standard-300'}\n"
SPACE = "{objective.local.weight: {uniform: [0, 1]}}"

MALFORMED = {  # what is wrong: (the file, key, hint)
    "unknown key": (BASE + "colour: red\n", "colour", "unknown key; known: data, model, adapt, objective"),
    "misspelt key": (BASE + "train: {bach_size: 8}\n", "train.bach_size", "did you mean train.batch_size?"),
    "wrong type": (BASE + "train: {epochs: 2.5}\n", "train.epochs", "expected a whole number, found 2.5"),
    "negative weight": (
        BASE + "objective: {local: {weight: -0.5}}\n", "objective.local.weight", "expected 0 or more, found -0.5",
    ),
    "empty space": (BASE + "search: {space: {}}\n", "search.space", "is empty; expected at least one entry"),
    "text where a number belongs": (
        BASE + "train: {learning_rate: fast}\n", "train.learning_rate", 'expected a number, found "fast"',
    ),
    "a search and an ablation at once": (
        BASE + f"search: {{space: {SPACE}}}\nablation: {{arms: {{a: {{}}}}}}\n", "`search` and `ablation`",
        "one file is one sweep, give one of them",
    ),
    "an arm that sets an unknown key": (
        BASE + "ablation: {arms: {baseline: {}, local: {objective.local.wait: 1}}}\n",
        "ablation.arms.local.objective.local.wait", "did you mean objective.local.weight?",
    ),
    "a metric that does not exist": (
        BASE + "evaluate: {select: val/text_to_image/recall_at_11}\n", "evaluate.select",
        "did you mean val/text_to_image/recall_at_1",
    ),
}  # fmt: skip
UNFIT = {  # for the data and models that are here; a cluster may have others
    "missing shards": (
        "experiment: wrong\ndata: {shards: no/such/folder}\n", "data.shards", "no packed data set there (manifest.json",
    ),
    "more pairs than there are": (
        BASE + "ablation: {arms: {a: {}}, pairs: [100, 301]}\n", "data.pairs", "301 training studies were asked for",
    ),
    "an unknown phantom": ("experiment: wrong\ndata: {shards: 'phantom:standrd'}\n", "data.shards", "Did you mean"),
    "an unknown tower": (
        BASE + "model: {image: {backbone: resnet5}}\n", "model.image.backbone", "resnet50",
    ),
    "patches to hide without any": (
        BASE + "adapt: {image: {method: mae}}\n", "adapt.image.method", "set model.image.backbone to a ViT",
    ),
    "a search over data": (
        BASE + "search: {space: {data.shards: {choice: [a, b]}}}\n", "data.shards", "make one sweep of each value",
    ),
}  # fmt: skip


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if anything is started."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("ray.init", refuse)


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("command", "wrong"),
    [*(("sweep", wrong) for wrong in MALFORMED | UNFIT), *(("submit", wrong) for wrong in MALFORMED)],
)
def test_a_malformed_experiment_is_refused(run: Callable[..., Any], tmp_path: Path, command: str, wrong: str) -> None:
    text, key, hint = (MALFORMED | UNFIT)[wrong]
    Path("wrong.yaml").write_text(text)
    before = sorted(path.name for path in tmp_path.iterdir())
    address = ("--address", "http://127.0.0.1:1") if command == "submit" else ()
    ended = run(command, "wrong.yaml", *address)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("radsweep: wrong.yaml: ")
    assert key in ended.err
    assert hint in ended.err
    assert "Traceback" not in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "nothing is written, no store is made"


GENERATED = generated()
HINT = re.compile(
    r"expected|did you mean|known:|`radsweep schema` has|give|leave|use |make |set |write|indent|needs|repeated|nothing"
)


def test_the_generated_files_number_a_hundred_and_cover_every_field() -> None:
    assert len(GENERATED) >= 100
    named = {wrong.key for wrong in GENERATED}
    assert {key for key in leaf_keys(Trial) if key not in named} == set()


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("wrong", GENERATED, ids=lambda wrong: wrong.name)
def test_a_generated_malformed_file_is_refused(run: Callable[..., Any], tmp_path: Path, wrong: Wrong) -> None:
    Path("wrong.yaml").write_text(wrong.text)
    ended = run("sweep", "wrong.yaml")
    assert (ended.code, ended.out) == (2, ""), wrong.text
    for line in ended.err.splitlines():
        assert line.removeprefix("radsweep: ").startswith("wrong.yaml: "), "each line names the file"
    assert wrong.key in ended.err
    assert HINT.search(ended.err), ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"], "nothing is written, no store is made"


@pytest.mark.usefixtures("no_ray")
def test_a_wrong_set_is_refused_in_the_same_way(run: Callable[..., Any], tmp_path: Path) -> None:
    Path("right.yaml").write_text(BASE)
    ended = run("sweep", "right.yaml", "--set", "train.epochs=many")
    assert ended.code == 2
    assert 'train.epochs: expected a whole number, found "many"' in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["right.yaml"]


@pytest.mark.usefixtures("no_ray")
def test_a_submission_to_nowhere_is_one_clear_line(run: Callable[..., Any]) -> None:
    Path("right.yaml").write_text(BASE)
    ended = run("submit", "right.yaml", "--address", "http://127.0.0.1:1")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("radsweep: http://127.0.0.1:1 cannot be reached")
    assert len(ended.err.splitlines()) == 1
