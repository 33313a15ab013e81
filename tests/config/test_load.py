from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from radsweep.config import keys
from radsweep.config.experiment import Experiment
from radsweep.config.load import load_experiment, parse_experiment, read_tree, trial_with, written
from radsweep.errors import InputError

BASE = "experiment: test\ndata: {shards: somewhere}\n"
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an experiment file; returns its path."""

    def written(text: str) -> Path:
        path = tmp_path / "try.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def refusal(write: Write) -> Callable[..., str]:
    """What is said of a file that is refused, without the file's name, which each line must begin with."""

    def said(text: str, *changes: str) -> str:
        path = write(text)
        with pytest.raises(InputError) as caught:
            load_experiment(path, changes)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{path}: ") for line in lines)
        return "\n".join(line.removeprefix(f"{path}: ") for line in lines)

    return said


def test_a_file_of_two_lines_is_an_experiment_with_every_default(write: Write) -> None:
    experiment = load_experiment(write(BASE))
    assert experiment == Experiment(experiment="test", data={"shards": "somewhere"})  # type: ignore[arg-type]
    assert (experiment.train.batch_size, experiment.search, experiment.ablation) == (64, None, None)


def test_an_experiment_cannot_be_changed(write: Write) -> None:
    experiment = load_experiment(write(BASE))
    with pytest.raises(ValueError, match="frozen"):
        experiment.train.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize("text", ["5e-5", "5E-5", "5.0e-5", "0.00005", ".5e-4"])
def test_a_small_number_is_a_number_however_it_is_written(write: Write, text: str) -> None:
    assert load_experiment(write(BASE + f"train: {{learning_rate: {text}}}\n")).train.learning_rate == 5e-5


@pytest.mark.parametrize("text", ["e5", "5e", "1-e5", "epoch5"])
def test_text_that_looks_a_little_like_a_number_stays_text(write: Write, text: str) -> None:
    assert load_experiment(write(BASE + f"model: {{image: {{backbone: {text}}}}}\n")).model.image.backbone == text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour: red", "colour: unknown key; known: data, model, adapt, objective"),
        ("objectiv: {}", "objectiv: unknown key; did you mean objective?"),
        ("train: {learning_rat: 1}", "train.learning_rat: unknown key; did you mean train.learning_rate?"),
        ("batch_size: 32", "batch_size: unknown key; did you mean train.batch_size?"),
        ("train.epochs: 3", "train.epochs: unknown key; dots are for --set, arms and spaces, here write train: {epoch"),
        ("train: {epochs: many}", 'train.epochs: expected a whole number, found "many"'),
        ("train: {epochs: 1.5}", "train.epochs: expected a whole number, found 1.5"),
        ("train: {learning_rate: '1e-3'}", 'train.learning_rate: expected a number, found "1e-3"'),
        ("train: {learning_rate: 0}", "train.learning_rate: expected more than 0, found 0"),
        ("train: {learning_rate: .nan}", "train.learning_rate: expected a finite number, found NaN"),
        ("train: {warmup: 1}", "train.warmup: expected less than 1, found 1"),
        ("train: 3", "train: expected keys with values ({} for none), found 3"),
        ("objective: {local: {weight: -1}}", "objective.local.weight: expected 0 or more, found -1"),
        ("objective: {contrast: {kind: clip}}", "objective.contrast.kind: expected 'infonce' or 'sigmoid', found"),
        ("objective: {contrast: {weight: 0}}", "objective: contrast, local and neighbours all have weight 0"),
        ("model: {image: {backbone: no}}", "model.image.backbone: expected text, found false"),
        ("augment: {image: {crop: 0.5}}", "augment.image.crop: expected a list, found 0.5"),
        ("augment: {image: {crop: [0.5]}}", "augment.image.crop: entry 2 is missing"),
        ("augment: {image: {crop: [0.5, 1, 1]}}", "augment.image.crop: expected 2 entries at most"),
        ("augment: {image: {crop: [1, 0.5]}}", "augment.image.crop: expected two numbers with 0 < smallest"),
        ("train: {batch_size: 33, workers: 2}", "train: batch_size 33 is not a multiple of workers 2"),
        ("train: {batch_size: 64, workers: 64}", "train: workers 64 are too many for batch_size 64"),
        (
            "train: {batch_size: 64, workers: 16}\nadapt: {text: {method: mlm, batch_size: 16}}",
            "adapt.text.batch_size 16 is too small for train.workers 16",
        ),
        ("train: {batch_size: 8, accumulate: 9}", "train: accumulate 9 is more than a worker's share of the batch"),
        ("evaluate: {select: val/text_to_image/recall_at_7}", "; did you mean val/text_to_image/recall_at_"),
        ("evaluate: {select: test/text_to_image/recall_at_10}", "; did you mean val/text_to_image/recall_at_10?"),
        ("run: {slots: 0}", "run.slots: expected 1 or more, found 0"),
    ],
)
def test_a_wrong_line_is_reported_with_its_key_what_was_expected_and_a_hint(
    refusal: Callable[..., str], line: str, said: str
) -> None:
    assert said in refusal(BASE + line + "\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("experiment: test\n", "data: is missing"),
        ("experiment: test\ndata: {}\n", "data.shards: is missing"),
        ("experiment: test\ndata: {shards: }\n", "data.shards: expected text, found null"),
        ("experiment: a b\ndata: {shards: x}\n", 'experiment: expected text that matches ^[A-Za-z0-9][A-Za-z0-9._-]'),
        ("experiment: t\ndata: {shards: x, pairs: 9, fraction: 0.5}\n", "data: `pairs` and `fraction` both set"),
        ("", "expected keys such as `experiment:` and `data:`, found nothing"),
        ("- a\n", "expected keys such as `experiment:` and `data:`, found a list"),
        (BASE + "train: {epochs: 3\n", "line 4, column 1: is not valid YAML: while parsing a flow mapping"),
        (BASE + "train:\n\tepochs: 3\n", "line 4, column 1: is not valid YAML"),
        (BASE + "train: !!python/object/apply:os.getcwd []\n", "line 3, column 8: is not valid YAML: could not"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_an_experiment_is_reported_as_such(
    refusal: Callable[..., str], text: str, said: str
) -> None:
    assert refusal(text).startswith(said)


def test_a_repeated_key_is_refused_at_any_depth(refusal: Callable[..., str]) -> None:
    assert refusal(BASE + "data: {shards: other}\n") == "line 3, column 1: is not valid YAML: key 'data' is repeated"
    assert "key 'epochs' is repeated" in refusal(BASE + "train: {epochs: 3, epochs: 4}\n")


def test_every_problem_of_a_file_is_reported_at_once(refusal: Callable[..., str]) -> None:
    said = refusal(BASE + "colour: red\ntrain: {epochs: many, clip: -1}\n")
    assert [line.split(":")[0] for line in said.splitlines()] == ["train.epochs", "train.clip", "colour"]


def test_a_file_that_is_not_there_or_not_text_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file"):
        load_experiment(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.yaml: is not valid UTF-8"):
        load_experiment(tmp_path / "binary.yaml")


def test_set_changes_keys_of_the_file_and_adds_new_ones(write: Write) -> None:
    path = write(BASE + "train: {epochs: 3, batch_size: 8}\n")
    changed = load_experiment(
        path,
        ["train.epochs=7", "train.learning_rate=1e-4", "augment.image.crop=[0.2, 0.9]", "data.pairs=null",
         "ablation.arms={a: {}, b: {train.clip: 2}}", "experiment=other"],
    )  # fmt: skip
    assert (changed.train.epochs, changed.train.batch_size, changed.train.learning_rate) == (7, 8, 1e-4)
    assert changed.augment.image.crop == (0.2, 0.9)
    assert changed.ablation is not None
    assert changed.ablation.arms["b"] == {"train.clip": 2}
    assert changed.experiment == "other"


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    tree = {"experiment": "a", "text": ["1e-5", "no", "1.5e3", "2026-01-01", "é: #", ""], "deep": {"x.y": 1e-5}}
    tree |= {"numbers": [1e-07, 3, 1e30], "nothing": None, "yes": True}
    (tmp_path / "file.yaml").write_text(written(tree), encoding="utf-8")
    assert read_tree(tmp_path / "file.yaml") == tree


def test_a_value_given_by_set_may_hold_an_equals_sign(write: Write) -> None:
    assert load_experiment(write(BASE), ["data.shards=a=b"]).data.shards == "a=b"


@pytest.mark.parametrize("change", ["train.epochs", "=3", "train.epochs={"])
def test_a_malformed_set_is_reported_as_it_was_given(write: Write, change: str) -> None:
    with pytest.raises(InputError) as caught:
        load_experiment(write(BASE), [change])
    assert str(caught.value).startswith(f"--set {change}: ")


def test_set_is_checked_as_the_file_is(refusal: Callable[..., str]) -> None:
    assert refusal(BASE, "train.epochs=many") == 'train.epochs: expected a whole number, found "many"'
    assert refusal(BASE, "train.epoch=3") == "train.epoch: unknown key; did you mean train.epochs?"


def test_a_trial_with_values_is_checked_too() -> None:
    base = parse_experiment({"experiment": "t", "data": {"shards": "x"}}, "t").trial()
    assert trial_with(base, {"objective.local.weight": 0.5, "data.pairs": 10}).objective.local.weight == 0.5
    assert trial_with(base, {"data.pairs": 10}) == trial_with(trial_with(base, {"data.pairs": 10}), {})
    with pytest.raises(InputError, match=r"^data\.pairs: expected 2 or more, found 1$"):
        trial_with(base, {"data.pairs": 1})
    with pytest.raises(InputError, match="nothing would join images and reports"):
        trial_with(base, {"objective.contrast.weight": 0})


@pytest.mark.parametrize("old", keys.RENAMED)
def test_an_earlier_name_of_a_key_gets_the_new_one(old: str) -> None:
    tree = keys.with_values({"experiment": "old", "data": {"shards": "here"}}, {old: 1})
    with pytest.raises(InputError, match=f"{re.escape(old)}: renamed; write {re.escape(keys.RENAMED[old])}"):
        parse_experiment(tree, "old.yaml")


def test_an_earlier_name_of_a_key_gets_the_new_one_in_an_arm_too() -> None:
    arms = {"baseline": {}, "clip": {"model.from": "openai/clip"}}
    with pytest.raises(InputError, match=r"it was renamed; write model\.pretrained"):
        parse_experiment({"experiment": "old", "data": {"shards": "here"}, "ablation": {"arms": arms}}, "old.yaml")
