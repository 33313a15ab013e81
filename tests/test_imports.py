"""A reader follows the data: a folder of the package imports only from the folders before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "platform" / "radsweep"
ORDER = (
    "spec",
    "data",
    "augment",
    "models",
    "objectives",
    "evaluation",
    "training",
    "tracking",
    "sweep",
    "report",
    "cli",
)
PLAIN = ("spec", "augment", "models", "objectives", "evaluation")  # to be read and tested without a cluster
HEAVY = {"torch", "torchvision", "ray", "mlflow", "transformers"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported, within functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield f"{node.module}.{node.names[0].name}"


def at_import(tree: ast.Module) -> Iterator[str]:
    """Dotted names of what is imported when the module is."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)


@cache
def parsed(folder: str) -> dict[Path, ast.Module]:
    found = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted((PACKAGE / folder).rglob("*.py"))}
    assert found
    return found


def test_the_package_has_these_folders_and_no_other() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ORDER)


@pytest.mark.parametrize("folder", ORDER)
def test_a_folder_imports_only_from_those_before_it(folder: str) -> None:
    allowed = {*ORDER[: ORDER.index(folder) + 1], "errors", "__version__"}
    wrong = [
        f"{file.relative_to(PACKAGE)}: {name}"
        for file, tree in parsed(folder).items()
        for name in imports(tree)
        if name.startswith("radsweep.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", PLAIN)
def test_what_can_be_read_alone_imports_neither_ray_nor_mlflow(folder: str) -> None:
    found = {name.split(".")[0] for tree in parsed(folder).values() for name in imports(tree)}
    assert not found & {"ray", "mlflow"}


def test_mlflow_stays_in_tracking() -> None:
    users = {folder for folder in ORDER for tree in parsed(folder).values() for name in imports(tree)
             if name.split(".")[0] == "mlflow"}  # fmt: skip
    assert users == {"tracking"}


def test_the_experiment_is_checked_without_a_heavy_import() -> None:
    assert not {name.split(".")[0] for tree in parsed("spec").values() for name in imports(tree)} & HEAVY


@pytest.mark.parametrize("module", ["__init__", "app", "arguments", "settings", "data", "experiments", "results"])
def test_commands_import_what_is_heavy_when_they_run(module: str) -> None:
    found = {name.split(".")[0] for name in at_import(parsed("cli")[PACKAGE / "cli" / f"{module}.py"])}
    assert not found & HEAVY
