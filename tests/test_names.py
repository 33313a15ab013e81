"""One name, one meaning: public classes, types and functions, and the names of files."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "platform" / "radsweep"

# The same thing in several places: a name is listed here with its one meaning, or it is renamed.
SAME_THING = {
    **dict.fromkeys(("fetch", "list_jobs", "stop", "submit"), "a command, and the function of cluster/ behind it"),
    **dict.fromkeys(("evaluate", "inspect"), "a command, and the function of the Python interface behind it"),
    "load_experiment": "the function of the Python interface, and the one behind it",
    "train": "a command, and the function that trains a trial",
}
# Files of one subject in several rooms: the room says which side of it.
SAME_FILE = {
    "__init__.py": "Python's own",
    **dict.fromkeys(
        (
            "adaptation.py",
            "evaluation.py",
            "experiment.py",
            "paths.py",
            "run.py",
            "search.py",
            "settings.py",
            "stages.py",
        ),
        "config/ has the settings of what the other files do",
    ),
    **dict.fromkeys(("doctor.py", "experiments.py", "jobs.py", "results.py", "status.py"), "cli/ has the commands"),
    **dict.fromkeys(("best.py", "data.py"), "api/ and cli/ have the interfaces to what the other files do"),
    **dict.fromkeys(("images.py", "reports.py", "findings.py", "write.py"), "data/phantom/ makes them"),
    **dict.fromkeys(("labels.py", "dataset.py", "weights.py"), "one subject: read, packed, or checked"),
    **dict.fromkeys(("table.py", "public_models.py"), "a table, and its parts or sentences"),
    "text.py": "augmentation of reports, and their towers",
    "views.py": "views of a batch, and saved views of MLflow",
}


def definitions(file: Path) -> Iterator[str]:
    """Public classes, functions and type aliases at the top of a module."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and is_type(node.value):
            name = node.targets[0].id
        else:
            continue
        if not name.startswith("_"):
            yield name


def is_type(value: ast.expr) -> bool:
    """`Callable[...]`, `Literal[...]`, `A | B`: what names a type."""
    parts = [part for part in ast.walk(value) if part is not value]
    plain = not any(isinstance(part, ast.Call | ast.List | ast.Dict) for part in parts)
    named = any(isinstance(part, ast.Name) and part.id[:1].isupper() and not part.id.isupper() for part in parts)
    return isinstance(value, ast.Subscript | ast.BinOp) and plain and named


def places_of_names() -> dict[str, list[str]]:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for name in definitions(file):
            places[name].append(str(file.relative_to(PACKAGE)))
    return {name: found for name, found in places.items() if len(found) > 1}


def places_of_files() -> dict[str, list[str]]:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        places[file.name].append(str(file.parent.relative_to(PACKAGE)))
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_public_name_is_defined_twice_with_two_meanings() -> None:
    assert {name: found for name, found in places_of_names().items() if name not in SAME_THING} == {}
    assert set(SAME_THING) <= set(places_of_names()), "no longer defined twice: take it off the list"


def test_no_file_name_is_in_two_rooms() -> None:
    assert {name: found for name, found in places_of_files().items() if name not in SAME_FILE} == {}
    assert set(SAME_FILE) <= set(places_of_files()), "no longer in two rooms: take it off the list"


if __name__ == "__main__":
    for name, found in (places_of_names() | places_of_files()).items():
        print(f"{name:24} {', '.join(found)}")
