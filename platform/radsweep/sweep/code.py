"""The code behind a trial's numbers: what a trial reaches by imports, without what its settings switch off.

A changed line runs again what depends on it and nothing else; comments, docstrings and layout do not count.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import radsweep
from radsweep.spec.stage import FrozenImage, FrozenText, ImageStage, Stage, stages_of
from radsweep.spec.trial import Data, Trial

PACKAGE = Path(radsweep.__file__).parent
PREPARATION = ("data/decode.py", "data/tokenizer.py")
TRIAL = ("training/trainer.py", *PREPARATION)
ADAPTATION = ("training/adaptation.py", *PREPARATION)
FEATURES = ("training/frozen.py", *PREPARATION)
APART = ("spec/", "errors.py")  # settings are in the key by their values
SETTINGS = ("spec/metrics.py", "spec/stage.py")  # but these say what is measured, and what a stage is given
DEALT = ("data/folds.py",)  # where there are folds
LIBRARIES = ("torch", "torchvision", "transformers", "tokenizers", "numpy", "scikit-learn", "pillow")
ADAPTERS, BANK = "peft", "faiss-cpu"  # of trials that train low-rank adapters, or look for neighbours
WORDS = ("augment/word_operations.py", "augment/report_words.py", "augment/lexicon.py", "augment/words.py")
# Imported by stages for types, or for what trials alone ask for: no stage runs a line of them.
OF_TRIALS_ALONE = ("training/evaluate.py", "objectives/same_report.py", "data/windows.py", "data/stream.py", *WORDS)
OF_LEARNING = ("training/trainer.py", "evaluation/", "objectives/", *OF_TRIALS_ALONE[1:])


def switched(trial: Trial) -> dict[str, bool]:
    """File: whether the trial runs it. Files that are not named here count for every trial.

    Adding a term is one line here too; without it, its file counts for trials that do not use it.
    """
    objective, text, tasks = trial.objective, trial.augment.text, set(trial.evaluate.tasks)
    contrast, masked = objective.contrast, objective.text_ssl.kind == "mlm"
    infonce = contrast.weight > 0 and contrast.kind == "infonce"
    labels = tasks & {"zero_shot", "linear_probe", "class_retrieval"}
    return {
        "objectives/contrast.py": contrast.weight > 0,
        "objectives/infonce.py": infonce or objective.neighbours.weight > 0,
        "objectives/sigmoid.py": contrast.weight > 0 and contrast.kind == "sigmoid",
        "objectives/same_report.py": contrast.weight > 0 and contrast.same_report is not None,
        "objectives/local.py": objective.local.weight > 0,
        "evaluation/local_retrieval.py": objective.local.weight > 0 and "local_retrieval" in tasks,
        "objectives/image_ssl.py": objective.image_ssl.weight > 0,
        "objectives/text_ssl.py": objective.text_ssl.weight > 0,
        "augment/masking.py": objective.text_ssl.weight > 0 and masked,
        "objectives/neighbours.py": objective.neighbours.weight > 0,
        **dict.fromkeys(WORDS, text.changes_words),
        "training/averaging.py": trial.train.ema > 0,
        "data/stream.py": trial.data.source == "streamed",
        "data/windows.py": trial.data.source == "streamed",
        "evaluation/classification.py": bool(labels),
        "evaluation/zero_shot.py": "zero_shot" in tasks,
        "evaluation/prompts.py": "zero_shot" in tasks,
        "evaluation/linear_probe.py": "linear_probe" in tasks,
        "evaluation/class_retrieval.py": "class_retrieval" in tasks,
    }


def trial_code(trial: Trial) -> str:
    """Fingerprint of what a trial runs, and the stages before it."""
    image, text = trial.model.image, trial.model.text
    libraries = {ADAPTERS: image.lora or text.lora, BANK: trial.objective.neighbours.weight}
    further = tuple(name for name, used in libraries.items() if used)
    own = fingerprint((*TRIAL, *_dealt(trial.data.folds)), _off(switched(trial)), further)
    return "-".join([own, *(stage_code(stage) for stage in stages_of(trial).values())])


def stage_code(stage: Stage) -> str:
    """Fingerprint of what a stage runs, and the stage before it."""
    if isinstance(stage, FrozenImage | FrozenText):
        own = fingerprint((*FEATURES, *_dealt(stage.fold)), OF_LEARNING)
        return own if stage.adapted is None else f"{own}-{stage_code(stage.adapted)}"
    views, patches, tokens = "objectives/image_ssl.py", "objectives/masked_patches.py", "objectives/text_ssl.py"
    if not isinstance(stage, ImageStage):
        others = [views, patches, "augment/images.py", "models/image.py"]
    else:
        others = [tokens, "models/text.py"]
        others += [views] if stage.adapt.method == "mae" else [patches, "augment/masking.py"]
    return fingerprint((*ADAPTATION, *_dealt(stage.fold)), (*OF_TRIALS_ALONE, *others))


def _dealt(folds: object) -> tuple[str, ...]:
    return DEALT if folds is not None else ()


def code_fingerprint() -> str:
    """Fingerprint of what every trial runs: records that differ in it should not be compared."""
    return fingerprint(TRIAL, tuple(switched(Trial(data=Data(shards="any")))))


def _off(switches: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(file for file, on in switches.items() if not on)


@cache
def fingerprint(roots: tuple[str, ...], off: tuple[str, ...], further: tuple[str, ...] = ()) -> str:
    """Hash of the modules reached from some, and of the libraries' versions.

    Args:
        roots: files of the package.
        off: files, or starts of their names, that are left out, with what is reached through them alone.
        further: libraries that not every trial uses.
    """
    digest = hashlib.sha256(json.dumps({name: versions()[name] for name in (*LIBRARIES, *further)}).encode())
    for file in sorted(reached(roots, off)):
        digest.update(f"{file}\n{_read(PACKAGE / file).meaning}\n".encode())
    return digest.hexdigest()[:16]


def reached(roots: tuple[str, ...], off: tuple[str, ...] = ()) -> set[str]:
    """Files of the package that some import, directly or not; arguments as those of `fingerprint`."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        file = waiting.pop()
        if file not in found and not file.startswith(off) and (file in SETTINGS or not file.startswith(APART)):
            found.add(file)
            waiting += _read(PACKAGE / file).imports
    return found


class _Source(NamedTuple):
    imports: tuple[str, ...]  # files of the package, wherever in the module they are imported
    meaning: str  # without comments, docstrings and layout


@cache
def _read(file: Path) -> _Source:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports: list[str] = []
    for node in ast.walk(tree):
        imports += (name for name in _modules(node) if (PACKAGE / name).is_file())
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return _Source(tuple(imports), ast.dump(tree))


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("radsweep."):
        place = str(node.module).removeprefix("radsweep.").replace(".", "/")
        yield from (f"{place}.py", f"{place}/__init__.py")
        yield from (f"{place}/{alias.name}.py" for alias in node.names)


@cache
def versions() -> dict[str, str]:
    """Versions of radsweep and of the libraries that matter to results."""
    return {"radsweep": radsweep.__version__} | {
        name: importlib.metadata.version(name) for name in (*LIBRARIES, ADAPTERS, BANK, "ray", "optuna", "mlflow")
    }


def git_commit() -> str:
    """Commit of the checkout that the package runs from, with `+changes` where it differs; empty outside of one."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if git("ls-files", "__init__.py") == "":
            return ""
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
