"""Interfaces that a library does not promise are used in few places, each with a test of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "platform" / "radsweep"
KNOWN = {"sweep/slots/ray_internals.py", "tracking/mlflow_internals.py"}
UNDOCUMENTED = re.compile(
    r"(?!radsweep\.)(.*\._[a-z]|ray\.(air|tune\.execution|train\.v2|train\._internal)\b|mlflow\.(store|server|utils)\b)"
)
OF_NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}


def private_uses(tree: ast.AST) -> Iterator[str]:
    """Undocumented modules of libraries, and attributes with an underscore of objects other than `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from (name for alias in node.names if UNDOCUMENTED.match(name := f"{module}{alias.name}"))
        elif isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr) and node.attr not in OF_NAMED_TUPLES:
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            yield from [] if own else [ast.unparse(node)]


def test_private_interfaces_of_libraries_are_only_used_in_their_own_files() -> None:
    users: dict[str, list[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        if found := list(private_uses(ast.parse(file.read_text(encoding="utf-8")))):
            users[file.relative_to(PACKAGE).as_posix()] = found
    others = {file: found for file, found in users.items() if file not in KNOWN}
    assert others == {}, "use a documented interface, or put this into the file of its library with a test"
    assert users.keys() == KNOWN


def test_private_uses_are_recognised() -> None:
    source = "import ray._private.utils\nfrom ray.tune.execution import class_cache\nfrom mlflow.store import db\n"
    source += "study._storage.get(self._own, record._replace(a=1), super().__init__)"
    assert list(private_uses(ast.parse(source))) == [
        "ray._private.utils",
        "ray.tune.execution.class_cache",
        "mlflow.store.db",
        "study._storage",
    ]
