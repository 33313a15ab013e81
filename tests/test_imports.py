"""A reader follows the data: a folder of the package only imports from the folders before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "platform" / "radsweep"
# Folders and files of the package, each of which only imports from those before it.
ORDER = (
    "errors",
    "filesystem",
    "console",
    "display",
    "config",
    "data",
    "augment",
    "models",
    "objectives",
    "evaluation",
    "store",
    "training",
    "tracking",
    "report",
    "cluster",
    "sweep",
    "api",
    "cli",
)
# The same within folders that have rooms.
ROOMS: dict[str, tuple[str, ...]] = {
    "data": (
        "storage",
        "images",
        "text",
        "shards",
        "packing",
        "loading",
        "phantom",
        "importers.toolkit",
        "importers",
        "inspection",
    ),
    "report": (
        "wording",
        "analysis",
        "text",
        "tables",
        "figures",
        "sections",
        "render",
    ),
    "sweep": (
        "identity",
        "design",
        "preparation",
        "slots",
        "progress",
        "search",
        "checks",
        "forecast",
        "setup",
        "engine",
        "final_evaluation",
        "evaluate",
        "phases",
        "run",
    ),
}
PLAIN = ("config", "augment", "models", "objectives", "evaluation")  # can be read and tested without a cluster
HEAVY = {"torch", "torchvision", "ray", "mlflow", "transformers"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all imports, also those within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree: ast.Module) -> Iterator[str]:
    """Dotted names of the imports that run when the module is imported."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)


@cache
def parsed(folder: str) -> dict[Path, ast.Module]:
    """The files of a folder, or the one file of this name."""
    files = sorted((PACKAGE / folder).rglob("*.py")) or [PACKAGE / f"{folder}.py"]
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}


def room(folder: str, parts: tuple[str, ...]) -> str:
    """The room of a path below a folder, or of a dotted name within it: the longest one that it begins with."""
    name = ".".join(parts)
    found = [each for each in ROOMS[folder] if f"{name}.".startswith(f"{each}.")]
    return max(found, key=len, default=name)


def test_the_package_has_exactly_these_folders() -> None:
    found = {path.stem for path in PACKAGE.iterdir() if path.name != "__pycache__" and path.suffix in ("", ".py")}
    assert found - {"__init__", "__main__"} == set(ORDER)


@pytest.mark.parametrize("folder", ORDER)
def test_a_folder_imports_only_from_those_before_it(folder: str) -> None:
    allowed = {*ORDER[: ORDER.index(folder) + 1], "__version__"}
    wrong = [
        f"{file.relative_to(PACKAGE)}: {name}"
        for file, tree in parsed(folder).items()
        for name in imports(tree)
        if name.startswith("radsweep.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ROOMS)
def test_a_folder_has_exactly_these_rooms(folder: str) -> None:
    files = [file.relative_to(PACKAGE / folder).with_suffix("").parts for file in parsed(folder)]
    assert {room(folder, parts) for parts in files} - {"__init__"} == set(ROOMS[folder])


@pytest.mark.parametrize("folder", ROOMS)
def test_a_room_imports_only_from_those_before_it(folder: str) -> None:
    order = ROOMS[folder]
    wrong = []
    for file, tree in parsed(folder).items():
        own = room(folder, file.relative_to(PACKAGE / folder).with_suffix("").parts)
        for name in imports(tree):
            parts = tuple(name.split("."))
            if parts[:2] != ("radsweep", folder) or own == "__init__":
                continue
            other = room(folder, parts[2:])
            if other not in order[: order.index(own) + 1]:
                wrong.append(f"{file.relative_to(PACKAGE)}: {name}")
    assert wrong == []


@pytest.mark.parametrize("folder", PLAIN)
def test_folders_that_can_be_read_on_their_own_import_neither_ray_nor_mlflow(folder: str) -> None:
    found = {name.split(".")[0] for tree in parsed(folder).values() for name in imports(tree)}
    assert not found & {"ray", "mlflow"}


def test_only_tracking_imports_mlflow() -> None:
    users = {folder for folder in ORDER for tree in parsed(folder).values() for name in imports(tree)
             if name.split(".")[0] == "mlflow"}  # fmt: skip
    assert users == {"tracking"}


def test_the_experiment_is_checked_without_a_heavy_import() -> None:
    assert not {name.split(".")[0] for tree in parsed("config").values() for name in imports(tree)} & HEAVY


@pytest.mark.parametrize("module", ["__init__", "app", "arguments", "settings", "data", "experiments", "results"])
def test_commands_import_heavy_modules_only_when_they_run(module: str) -> None:
    found = {name.split(".")[0] for name in at_import(parsed("cli")[PACKAGE / "cli" / f"{module}.py"])}
    assert not found & HEAVY
