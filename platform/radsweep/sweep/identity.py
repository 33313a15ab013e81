"""What makes two trials the same: their spec, their data, the code that decides numbers, the kind of device."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import radsweep
from radsweep.augment.words import check_words
from radsweep.data.shards import read_manifest
from radsweep.evaluation.prompts import load_prompts
from radsweep.spec.evaluate import Evaluate
from radsweep.spec.stage import Stage
from radsweep.spec.trial import Trial

PACKAGE = Path(radsweep.__file__).parent
DECIDES_NUMBERS = (
    "spec/metrics.py",
    "spec/stage.py",
    "data/index.py",
    "data/subsets.py",
    "data/folds.py",
    "data/epochs.py",
    "data/pictures.py",
    "data/decode.py",
    "data/prepared.py",
    "data/stream.py",
    "data/windows.py",
    "data/tokenizer.py",
    "data/sentences.py",
    "data/wordpieces.py",
    "augment",
    "models",
    "objectives",
    "evaluation",
    "training",
)
DECIDES_NONE = ("evaluation/statistics", "evaluation/summary.py")  # they come after all trials
LIBRARIES = ("torch", "torchvision", "transformers", "tokenizers", "numpy", "scikit-learn")


def cell_key(trial: Trial, data: str, device: str) -> str:
    """The key of a trial's record.

    Args:
        data: fingerprint of the data set.
        device: cpu or cuda.
    """
    # Where a copy of the data lies does not change what is learnt from it.
    spec = trial.model_dump(mode="json") | {"data": trial.data.model_dump(mode="json", exclude={"shards"})}
    text = trial.augment.text  # what a list of words says, wherever it lies
    spec["augment"]["text"]["words"] = _words(text.words) if text.changes_words else ""
    spec["evaluate"] = _evaluation(trial.evaluate)
    return _key(spec, data, device)


def _evaluation(evaluate: Evaluate) -> dict[str, Any]:
    """What decides the trial's numbers: settings of the tasks asked for, what prompts say, what sets hold."""
    spec = evaluate.model_dump(mode="json", exclude={"against", "sets"})
    for task in ("zero_shot", "linear_probe", "class_retrieval"):
        if task not in evaluate.tasks:
            del spec[task]
        elif task == "zero_shot":
            spec[task]["prompts"] = _prompts(evaluate.zero_shot.prompts)
    return spec | {"sets": [_fingerprint(folder) for folder in evaluate.sets]}


@cache
def _prompts(prompts: str) -> str:
    return load_prompts(prompts).sha256


@cache
def _fingerprint(folder: str) -> str:
    return read_manifest(folder).fingerprint


def reference_key(trial: Trial, data: str, device: str) -> str:
    """The key of a public model's record, never that of a trial; arguments as those of `cell_key`."""
    fold = {"folds": trial.data.folds, "fold": trial.data.fold}
    model = trial.model.model_dump(mode="json")
    spec: dict[str, Any] = {"reference": model, "evaluate": _evaluation(trial.evaluate), **fold}
    folder = Path(str(trial.model.whole))
    if folder.is_dir():  # other weights under the same name are another model
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        spec["files"] = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return _key(spec, data, device)


def stage_key(stage: Stage, data: str, device: str) -> str:
    """The key of an adaptation stage's record; arguments as those of `cell_key`."""
    return _key(stage.model_dump(mode="json"), data, device)


@cache
def _words(words: str) -> str:
    return check_words(words)


def _key(spec: dict[str, Any], data: str, device: str) -> str:
    parts = [spec, data, code_fingerprint(), device]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


@cache
def code_fingerprint() -> str:
    """Hash of the code behind a trial's numbers, comments and docstrings apart, and of the libraries' versions."""
    digest = hashlib.sha256(json.dumps({name: versions()[name] for name in LIBRARIES}).encode())
    for entry in DECIDES_NUMBERS:
        path = PACKAGE / entry
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.relative_to(PACKAGE).as_posix().startswith(DECIDES_NONE):
                continue
            digest.update(f"{file.relative_to(PACKAGE).as_posix()}\n{_meaning(file)}\n".encode())
    return digest.hexdigest()[:16]


def _meaning(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


@cache
def versions() -> dict[str, str]:
    """Versions of radsweep and of the libraries that matter to results."""
    return {"radsweep": radsweep.__version__} | {
        name: importlib.metadata.version(name) for name in (*LIBRARIES, "ray", "optuna", "mlflow", "faiss-cpu")
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
