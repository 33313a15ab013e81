"""Code that a trial's key depends on: everything that it runs, and as little else as possible."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.stages import stages_of
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.loading.folds import fold_of, resplit
from radsweep.data.text.tokenizer import train_tokenizer
from radsweep.sweep.identity import code
from radsweep.sweep.identity.definitions import Location
from radsweep.sweep.identity.syntax import with_keys
from radsweep.training.adaptation import adapt
from radsweep.training.frozen_features import run_frozen
from radsweep.training.trainer import train
from support.adapted import LIT, with_pool
from support.synthetic import CASES, MEASURED, synthetic_data

BASE = trial_with(
    Trial(data=Data(shards="here")),
    {
        "train.until": "steps", "train.steps": 2, "train.batch_size": 8, "evaluate.every_steps": 1, "model.dim": 16,
        "model.image.size": 16, "train.warmup": 0,
    },
)  # fmt: skip
CLASSES = {"evaluate.class_retrieval.classes": ["upper left", "upper right"], "evaluate.class_retrieval.per_class": 3}
FRACTIONS = {"evaluate.linear_probe.fractions": [1.0]}
TIMM = {"model.image.backbone": "timm:test_efficientnet", "model.image.size": 32}
OWN = {"model.image.backbone": "resnet18", "model.image.weights": "imagenet", "model.image.preprocessing": "own"}
TRIALS = CASES | {
    "tasks": MEASURED | {"evaluate.tasks": ["retrieval", "zero_shot", "linear_probe", "class_retrieval"]} | CLASSES,
    "local retrieval": CASES["local"] | {"evaluate.tasks": ["retrieval", "local_retrieval"]},
    "local selection": CASES["local"] | {"evaluate.select": "val/text_to_image_local/recall_at_5"},
    "part that selects": {"data.validation_pairs": 8},
    "averaging": {"train.ema": 0.9},
    "words": {"augment.text.synonyms": 0.5, "augment.text.swap": 0.2},
    "adapters": {"model.text.lora": 2},
    "timm": TIMM,
    "only probe": FRACTIONS | {"evaluate.tasks": ["retrieval", "linear_probe"]},
}
OTHER_KINDS = {
    "nt_xent",
    "ssl_head",
    "ssl_loss",
    "simcse",
    "without_positives",
    "masked_head",
    "masked_loss",
}  # the kinds of a term count together
BY_DATA = {"only_itself", "signs", "uniform_target", "candidates"}  # run if texts of a batch read the same
TRIAL_NAMES = {"plain", "local", "words", "adapted", "timm", "own"}
STAGES = {
    "image": {"adapt.image.method": "simclr"},
    "text": {"adapt.text.method": "mlm"},
    "mae": CASES["mae"],
    "moco": CASES["moco stage"],
}


def run_definitions(work: Callable[[], Any]) -> set[Location]:
    """Top-level definitions of the package that run in `work`; imports and settings do not count."""
    package, found = f"{code.PACKAGE}/", set()

    def see(frame: Any, event: str, _: Any) -> None:
        at = frame.f_code
        if event == "call" and at.co_filename.startswith(package) and at.co_flags & inspect.CO_NEWLOCALS:
            module = at.co_filename.removeprefix(package).removesuffix(".py").replace("/", ".")
            name = at.co_qualname.split(".")[0]
            if name != "<lambda>":  # a default of a definition that runs itself
                found.add(Location(f"radsweep.{module}", name))

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {place for place in found if not code.graph().is_settings(place) and place.name not in code.ERRORS}


def names(places: Iterable[Location]) -> set[str]:
    return {place.name for place in places}


def losses(places: Iterable[Location]) -> set[str]:
    """Functions of the objectives."""
    return {place.name for place in places if place.module.startswith("radsweep.objectives.") and place.name.islower()}


@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_runs_no_line_that_its_key_leaves_out(name: str) -> None:
    trial = trial_with(BASE, TRIALS[name])
    data = synthetic_data(size=trial.model.image.size)
    ran = run_definitions(lambda: train(trial, data, read_test=True))
    assert "train_epoch" in names(ran)
    reached = code.graph().reached(code.TRIAL, code.off(trial), dict(code.entries(trial.objective))).keys()
    assert ran - reached == set()
    assert losses(reached) - names(ran) <= OTHER_KINDS | BY_DATA, "counted for a trial that does not run it"
    used = {name for name, on in code.switched(trial).items() if on}
    assert used - names(ran) == set(), "counted for a trial that does not run it"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_no_line_that_its_key_leaves_out(name: str, kept: list[Any], tmp_path: Path) -> None:
    tower = "text" if name == "text" else "image"
    trial = trial_with(BASE, STAGES[name] | {f"adapt.{tower}.steps": 2, f"adapt.{tower}.batch_size": 8})
    stage, data = adaptation(trial, tower), with_pool(size=trial.model.image.size)
    code.stage_code(stage)
    ran = run_definitions(lambda: adapt(stage, data, folder=tmp_path))
    reached = code.graph().reached(*kept[0]).keys()
    assert "train_epoch" in names(ran)
    assert ran - reached == set()
    assert losses(reached) - names(ran) == set(), "counted for a stage that does not run it"


@pytest.mark.parametrize("tower", ["image", "text"])
def test_features_of_a_frozen_tower_run_no_line_that_their_key_leaves_out(
    tower: str, kept: list[Any], tmp_path: Path
) -> None:
    trial = trial_with(BASE, LIT | {f"model.{tower}.freeze": True})
    code.stage_code(adaptation(trial, f"{tower} features"))
    ran = run_definitions(lambda: run_frozen(tower, trial, synthetic_data(), folder=tmp_path, adapted={}))
    assert "run_frozen" in names(ran)
    assert ran - code.graph().reached(*kept[0]).keys() == set()


def test_the_preparation_of_data_runs_no_line_that_keys_leave_out(phantom: Path) -> None:
    def prepare() -> None:
        shards = read_index(phantom)
        rows = zip(shards.splits["train"].patient_ids, shards.reports["train"], strict=True)
        prepare_in_process(shards, train_tokenizer(rows, 200), 16, 1)
        fold = fold_of(shards, 3, 0)
        resplit(prepare_in_process(shards, train_tokenizer(rows, 200), 16, 1), fold, train_tokenizer([], 200))

    ran = run_definitions(prepare)
    reached = code.graph().reached((*code.PREPARATION, *code.FOLDS)).keys()
    assert {"decode_image", "wordpieces", "assign_folds"} <= names(ran)
    assert names(ran - reached) == {"prepare_in_process"}, "which tests use in place of Ray"


@pytest.mark.parametrize("frozen", [False, True])
def test_row_10_the_code_of_a_towers_own_preprocessing_counts_for_its_stages(frozen: bool, kept: list[Any]) -> None:
    image = LIT if frozen else STAGES["image"]
    for values in (image, image | OWN):
        code.stage_code(adaptation(trial_with(BASE, values), "image features" if frozen else "image"))
    letterbox, own = (names(code.graph().reached(*each).keys()) for each in kept)
    assert own - letterbox >= {*code.OWN_PIXELS, "published_preprocessing"}
    assert "decode_square" in letterbox


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Arguments of `fingerprint`."""
    asked: list[Any] = []
    monkeypatch.setattr(code, "fingerprint", lambda roots, without, _further: asked.append((roots, without)) or "")
    return asked


def adaptation(trial: Trial, name: str) -> Any:
    return stages_of(trial)[name]  # type: ignore[index]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package's source that tests may change."""
    package = tmp_path / "radsweep"
    shutil.copytree(code.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", package)
    yield package
    read_again()


def read_again() -> None:
    for cached in (code.fingerprint, code.graph):
        cached.cache_clear()


def codes() -> dict[str, str]:
    """Fingerprints of a plain trial, one with the local term, one with word operations, one adapted, and its stage."""
    read_again()
    adapted = trial_with(BASE, STAGES["image"])
    return {
        "plain": code.trial_code(BASE),
        "local": code.trial_code(trial_with(BASE, CASES["local"])),
        "words": code.trial_code(trial_with(BASE, TRIALS["words"])),
        "adapted": code.trial_code(adapted),
        "timm": code.trial_code(trial_with(BASE, TIMM)),
        "own": code.trial_code(trial_with(BASE, OWN)),
        "stage": code.stage_code(adaptation(adapted, "image")),
        "all": code.code_fingerprint(),
    }


CHANGED_LINES = [
    ("def local(", "losses = []", "losses = list()", {"local"}),
    ("def half_sum(", ") / 2", ") / 3", TRIAL_NAMES),
    ("def infonce(", "Symmetric cross-entropy", "The symmetric cross-entropy", set()),
    ("def augment_words(", "    return", "    assert True\n    return", {"words"}),
    ("def ssl_loss(", "    return", "    assert True\n    return", {"adapted", "stage"}),
    ("def encode_strong_views(", "    return", "    assert True\n    return", {"adapted", "stage"}),
    ("def sigmoid(", "    losses = []", "    losses = list()", set()),
    ("def adapt(", "    return", "    assert True\n    return", {"adapted", "stage"}),
    ("TIE =", "TIE = ", "TIE = 2 * ", TRIAL_NAMES | {"all"}),
    ("def run_loop(", "    torch.set_num", "    assert True\n    torch.set_num", TRIAL_NAMES | {"stage", "all"}),
    ("LEVEL =", "LEVEL = ", "LEVEL = 2 * ", set()),
    ("def timm_tower(", "    return", "    assert True\n    return", {"timm"}),
    ("def decode_as(", "    return", "    assert True\n    return", {"own"}),
    ("def published_preprocessing(", "    return", "    assert True\n    return", {"own"}),
    ("def how_it_ended(", "    return", "    assert True\n    return", set()),
]  # fmt: skip


@pytest.fixture(scope="module")
def old() -> dict[str, str]:
    """Fingerprints of the package as it is."""
    return codes()


@pytest.mark.parametrize(("definition", "before", "after", "changed"), CHANGED_LINES)
def test_a_changed_line_changes_what_depends_on_it(
    old: dict[str, str], copy: Path, definition: str, before: str, after: str, changed: set[str]
) -> None:
    above = [copy / name for name in ("cli", "api")]  # functions with the names of those that they call
    (file,) = [file for file in copy.rglob("*.py") if re.search(rf"^{re.escape(definition)}", file.read_text(), re.M)
               and not any(file.is_relative_to(folder) for folder in above)]  # fmt: skip
    start, found, rest = file.read_text().partition(definition)
    assert before in found + rest
    file.write_text("# a comment\n" + start + (found + rest).replace(before, after, 1))
    new = codes()
    assert {name for name in new if new[name] != old[name]} == changed


def test_the_code_that_assigns_folds_counts_if_there_are_folds(copy: Path) -> None:
    folds = {"data.folds": 3, "model.image.freeze": True, "adapt.text.method": "mlm"} | LIT

    def found() -> tuple[list[str], list[str]]:
        read_again()
        plain, folded = (trial_with(BASE, changes) for changes in (folds | {"data.folds": None}, folds))
        return tuple([code.trial_code(one), *map(code.stage_code, stages_of(one).values())] for one in (plain, folded))  # type: ignore[return-value]

    plain, folded = found()
    (assigning,) = [file for file in copy.rglob("*.py") if "\ndef assign_folds(" in file.read_text()]
    assigning.write_text(assigning.read_text().replace("def assign_folds(", "def assign_folds(_=0, *, ", 1))
    plain_now, folded_now = found()
    assert plain_now == plain
    assert len(folded) == 3
    assert not set(folded_now) & set(folded)


@pytest.mark.parametrize(
    ("library", "users"),
    [
        ("pillow", {"plain", "lora", "neighbours", "timm", "adapted timm", "frozen timm"}),
        ("faiss-cpu", {"neighbours"}),
        ("timm", {"timm", "adapted timm", "frozen timm"}),
    ],
)
def test_another_version_of_a_library_counts_if_it_is_used(
    library: str, users: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = {
        "plain": {},
        "lora": {"model.text.lora": 2},
        "neighbours": {"objective.neighbours.weight": 1},
        "timm": TIMM,
        "adapted timm": TIMM | {"adapt.image.method": "simclr"},
        "frozen timm": TIMM | LIT | {"model.image.freeze": True},
    }

    def found() -> dict[str, str]:
        code.fingerprint.cache_clear()
        return {name: code.trial_code(trial_with(BASE, changes)) for name, changes in trials.items()}

    old, versions = found(), code.versions() | {library: "0"}
    monkeypatch.setattr(code, "versions", lambda: versions)
    new = found()
    code.fingerprint.cache_clear()
    assert {name for name in trials if new[name] != old[name]} == users


def test_trials_or_stages_reach_every_named_definition() -> None:
    roots = {*code.TRIAL, *code.ADAPTATION, *code.FEATURES, *code.FOLDS}
    assert names(map(code.graph().find, roots)) == roots, "each is defined once"
    without = {*code.switched(BASE), *code.ERRORS, *code.ONLY_TRIALS, *chain(*code.RECIPES.values())}
    without |= dict(code.NO_ENTRIES).keys()
    found = [place.name for place in code.graph().reached(roots) if place.name in without]
    assert sorted(found) == sorted(without)


def test_of_a_table_of_code_only_the_keys_in_use_count() -> None:
    (table,) = ast.parse("TABLE: dict = {'a': f, Need.B: g, 'c': h}").body
    assert ast.unparse(with_keys(table, ("a", "B"))) == "TABLE: dict = {'a': f, Need.B: g}"
    (other,) = ast.parse("TABLE = dict(a=f)").body
    with pytest.raises(ValueError, match=re.escape("not a dict written out key by key: TABLE = dict(a=f)")):
        with_keys(other, ("a",))


def test_modules_may_be_renamed_moved_split_and_folded_and_nothing_runs_again(copy: Path) -> None:
    old = codes()
    rename(copy, "training.outcome", "objectives.parts.ending")  # moved to a new folder under a new name
    rename(copy, "training.checkpoint", "training.kept")  # imported whole by others: `checkpoint.WEIGHTS`
    rename(copy, "evaluation.ranking", "evaluation.ranks")
    split(copy, "training.loop", "save", "training.saving")  # it uses no other definition of the loop
    split(copy, "data.text.tokenizer", "PATIENTS_PER_WORD", "data.limits")  # a constant
    fold(copy, "training.schedule", "training.loop")
    assert codes() == old


def test_a_name_with_another_definition_counts(copy: Path) -> None:
    """The hash of a definition depends on the definitions of its names."""
    other = "from radsweep.training.precision import mixed_precision as original\n\n\n"
    (copy / "training" / "other.py").write_text(f"{other}def mixed_precision(*_):\n    return original(*_)\n")
    old = codes()
    file = copy / "training" / "trainer.py"
    line = "from radsweep.training.other import mixed_precision\n"
    file.write_text(file.read_text().replace("def conclude(", f"{line}\n\ndef conclude("))
    assert codes()["plain"] != old["plain"]


def rename(package: Path, old: str, new: str) -> None:
    """Move a module and rewrite every import of it."""
    target = package / (new.replace(".", "/") + ".py")
    target.parent.mkdir(exist_ok=True)
    (package / (old.replace(".", "/") + ".py")).rename(target)
    (old_folder, old_name), (new_folder, new_name) = old.rsplit(".", 1), new.rsplit(".", 1)
    for file in package.rglob("*.py"):
        text = re.sub(rf"\bradsweep\.{re.escape(old)}\b", f"radsweep.{new}", file.read_text())

        def one_of_many(found: re.Match[str]) -> str:
            left = [name for name in found[1].split(", ") if name != old_name]
            rest = f"from radsweep.{old_folder} import {', '.join(left)}\n" if left else ""
            return f"{rest}from radsweep.{new_folder} import {new_name} as {old_name}\n"

        file.write_text(
            re.sub(rf"from radsweep\.{old_folder} import ((?:\w+, )*\b{old_name}\b.*)\n", one_of_many, text)
        )


def split(package: Path, module: str, name: str, new: str) -> None:
    """Move one definition to its own module; the old module imports it."""
    file = package / (module.replace(".", "/") + ".py")
    text = file.read_text()
    tree = ast.parse(text)
    (node,) = [each for each in tree.body if name in (getattr(each, "name", ""), *getattr(each, "targets", ())) or
               name in [getattr(target, "id", "") for target in getattr(each, "targets", ())]]  # fmt: skip
    source = ast.get_source_segment(text, node) or ""
    imports = [ast.unparse(each) for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    (package / (new.replace(".", "/") + ".py")).write_text("\n".join([*imports, "\n", source]) + "\n")
    future = "from __future__ import annotations\n"
    file.write_text(text.replace(source, "", 1).replace(future, f"{future}from radsweep.{new} import {name}\n", 1))


def fold(package: Path, module: str, into: str) -> None:
    """Append a module to another one."""
    source, target = (package / (name.replace(".", "/") + ".py") for name in (module, into))
    given = target.read_text()
    given = re.sub(rf"from radsweep\.{re.escape(module)} import .*\n", "", given)
    target.write_text(given + source.read_text().replace("from __future__ import annotations\n", ""))
    source.unlink()
    for file in package.rglob("*.py"):
        file.write_text(file.read_text().replace(f"radsweep.{module} ", f"radsweep.{into} "))
