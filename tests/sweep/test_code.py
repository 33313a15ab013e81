"""The code that a trial's key depends on: all that it runs, and as little else as can be told."""

from __future__ import annotations

import inspect
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from synthetic import CASES, MEASURED, synthetic_data
from test_adaptation import LIT, with_pool

from radsweep.spec.load import trial_with
from radsweep.spec.stage import stages_of
from radsweep.spec.trial import Data, Trial
from radsweep.sweep import code
from radsweep.training.adaptation import adapt
from radsweep.training.collectives import Workers
from radsweep.training.frozen import run_frozen
from radsweep.training.trainer import train

BASE = trial_with(
    Trial(data=Data(shards="here")),
    {
        "train.until": "steps", "train.steps": 2, "train.batch_size": 8, "evaluate.every_steps": 1, "model.dim": 16,
        "model.image.size": 16, "train.warmup": 0,
    },
)  # fmt: skip
CLASSES = {"evaluate.class_retrieval.classes": ["upper left", "upper right"], "evaluate.class_retrieval.per_class": 3}
FRACTIONS = {"evaluate.linear_probe.fractions": [1.0]}
TRIALS = CASES | {
    "tasks": MEASURED | {"evaluate.tasks": ["retrieval", "zero_shot", "linear_probe", "class_retrieval"]} | CLASSES,
    "local retrieval": CASES["local"] | {"evaluate.tasks": ["retrieval", "local_retrieval"]},
    "averaging": {"train.ema": 0.9},
    "words": {"augment.text.synonyms": 0.5, "augment.text.swap": 0.2},
    "adapters": {"model.text.lora": 2},
    "probe alone": FRACTIONS | {"evaluate.tasks": ["retrieval", "linear_probe"]},
}
TRIAL_NAMES = {"plain", "local", "words", "adapted"}
STAGES = {"image": {"adapt.image.method": "simclr"}, "text": {"adapt.text.method": "mlm"}, "mae": CASES["mae"]}


def run_files(work: Callable[[], Any]) -> set[str]:
    """Files of the package of which a function is run, importing apart."""
    package, files = str(code.PACKAGE) + "/", set()

    def see(frame: Any, event: str, _: Any) -> None:
        at = frame.f_code
        if event == "call" and at.co_filename.startswith(package) and at.co_flags & inspect.CO_NEWLOCALS:
            files.add(at.co_filename.removeprefix(package))

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {file for file in files if not file.startswith(code.APART)}


@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_runs_no_line_that_its_key_leaves_out(name: str) -> None:
    trial = trial_with(BASE, TRIALS[name])
    data, cpu = synthetic_data(size=trial.model.image.size), torch.device("cpu")
    ran = run_files(lambda: train(trial, data, workers=Workers(), device=cpu, read_test=True))
    switches = code.switched(trial)
    assert "training/loop.py" in ran
    assert ran - code.reached(code.TRIAL, tuple(file for file, on in switches.items() if not on)) == set()
    idle = {file for file, on in switches.items() if on} - ran - {"objectives/contrast.py"}
    assert idle == set(), "counted for a trial that does not run it"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_no_line_that_its_key_leaves_out(name: str, kept: list[Any], tmp_path: Path) -> None:
    tower = "text" if name == "text" else "image"
    trial = trial_with(BASE, STAGES[name] | {f"adapt.{tower}.steps": 2, f"adapt.{tower}.batch_size": 8})
    stage, data = adaptation(trial, tower), with_pool(size=trial.model.image.size)
    code.stage_code(stage)
    options: dict[str, Any] = {"workers": Workers(), "device": torch.device("cpu"), "folder": tmp_path}
    ran = run_files(lambda: adapt(stage, data, **options))
    assert "training/adaptation.py" in ran
    assert ran - code.reached(*kept[0]) == set()
    objectives = {file for file in code.reached(*kept[0]) if file.startswith(("objectives/", "augment/masking.py"))}
    assert objectives - ran <= {"objectives/views.py"}, "counted for a stage that does not run it"


@pytest.mark.parametrize("tower", ["image", "text"])
def test_features_of_a_frozen_tower_likewise(tower: str, kept: list[Any], tmp_path: Path) -> None:
    trial = trial_with(BASE, LIT | {f"model.{tower}.freeze": True})
    code.stage_code(adaptation(trial, f"{tower} features"))
    options: dict[str, Any] = {"workers": Workers(), "device": torch.device("cpu"), "folder": tmp_path}
    ran = run_files(lambda: run_frozen(tower, trial, synthetic_data(), adapted={}, **options))
    assert "training/frozen.py" in ran
    assert ran - code.reached(*kept[0]) == set()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `fingerprint` is asked for."""
    asked: list[Any] = []
    monkeypatch.setattr(code, "fingerprint", lambda roots, off: asked.append((roots, off)) or "")
    return asked


def adaptation(trial: Trial, name: str) -> Any:
    return stages_of(trial)[name]  # type: ignore[index]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's source that may be changed."""
    package = tmp_path / "radsweep"
    shutil.copytree(code.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", package)
    return package


def codes() -> dict[str, str]:
    """Of a plain trial, one with the local term, one with words exchanged, one adapted, and of its stage."""
    for cached in (code.fingerprint, code._read):
        cached.cache_clear()
    adapted = trial_with(BASE, STAGES["image"])
    return {
        "plain": code.trial_code(BASE),
        "local": code.trial_code(trial_with(BASE, CASES["local"])),
        "words": code.trial_code(trial_with(BASE, TRIALS["words"])),
        "adapted": code.trial_code(adapted),
        "stage": code.stage_code(adaptation(adapted, "image")),
        "all": code.code_fingerprint(),
    }


@pytest.mark.parametrize(
    ("file", "before", "after", "changed"),
    [
        ("objectives/local.py", "def local(", "X = 1\n\n\ndef local(", {"local"}),
        ("objectives/infonce.py", "(rows + columns) / 2", "(rows + columns) / 3", TRIAL_NAMES),
        ("objectives/infonce.py", "Symmetric cross-entropy", "The symmetric cross-entropy", set()),
        ("augment/word_operations.py", "def augment_words(", "X = 1\n\n\ndef augment_words(", {"words"}),
        ("objectives/image_ssl.py", "def ssl_loss(", "X = 1\n\n\ndef ssl_loss(", {"adapted", "stage"}),
        ("training/adaptation.py", "def adapt(", "X = 1\n\n\ndef adapt(", {"adapted", "stage"}),
        ("evaluation/ranking.py", "TIE =", "X = 1\nTIE =", TRIAL_NAMES | {"all"}),
        ("training/loop.py", "def run(", "X = 1\n\n\ndef run(", TRIAL_NAMES | {"stage", "all"}),
        ("evaluation/statistics/intervals.py", "LEVEL =", "X = 1\nLEVEL =", set()),
        ("report/write.py", "def write_report(", "X = 1\n\n\ndef write_report(", set()),
    ],
)  # fmt: skip
def test_a_changed_line_changes_what_depends_on_it(
    copy: Path, file: str, before: str, after: str, changed: set[str]
) -> None:
    old = codes()
    source = (copy / file).read_text()
    assert before in source
    (copy / file).write_text("# a comment\n" + source.replace(before, after, 1))
    new = codes()
    assert {name for name in new if new[name] != old[name]} == changed


def test_how_patients_are_dealt_counts_where_there_are_folds(copy: Path) -> None:
    folds = {"data.folds": 3, "model.image.freeze": True, "adapt.text.method": "mlm"} | LIT

    def found() -> tuple[list[str], list[str]]:
        code.fingerprint.cache_clear()
        code._read.cache_clear()
        plain, folded = (trial_with(BASE, changes) for changes in (folds | {"data.folds": None}, folds))
        return tuple([code.trial_code(one), *map(code.stage_code, stages_of(one).values())] for one in (plain, folded))  # type: ignore[return-value]

    plain, folded = found()
    dealing = copy / "data" / "folds.py"
    dealing.write_text(dealing.read_text() + "X = 1\n")
    plain_now, folded_now = found()
    assert plain_now == plain
    assert len(folded) == 3
    assert not set(folded_now) & set(folded)


@pytest.mark.parametrize(
    ("library", "users"),
    [("pillow", {"plain", "lora", "neighbours"}), ("peft", {"lora"}), ("faiss-cpu", {"neighbours"})],
)
def test_another_version_of_a_library_counts_where_it_is_used(
    library: str, users: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = {"plain": {}, "lora": {"model.text.lora": 2}, "neighbours": {"objective.neighbours.weight": 1}}

    def found() -> dict[str, str]:
        code.fingerprint.cache_clear()
        return {name: code.trial_code(trial_with(BASE, changes)) for name, changes in trials.items()}

    old, versions = found(), code.versions() | {library: "0"}
    monkeypatch.setattr(code, "versions", lambda: versions)
    new = found()
    code.fingerprint.cache_clear()
    assert {name for name in trials if new[name] != old[name]} == users


def test_every_named_file_exists() -> None:
    named = {*code.switched(BASE), *code.TRIAL, *code.ADAPTATION, *code.FEATURES, *code.SETTINGS, *code.OF_LEARNING}
    named |= {*code.DEALT}
    assert [file for file in named if not (code.PACKAGE / file).exists()] == []
