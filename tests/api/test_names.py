"""`import radsweep` is light, and offers the same names to people, to `import *` and to type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import radsweep as rs


def test_each_name_exists_and_no_other() -> None:
    assert set(dir(rs)) == {*rs.__all__, "__version__"}
    assert sorted(rs.__all__) == rs.__all__
    assert [name for name in rs.__all__ if getattr(rs, name).__name__ != name] == []
    with pytest.raises(AttributeError, match="module 'radsweep' has no attribute 'load_experment'"):
        rs.load_experment  # noqa: B018


def test_a_type_checker_finds_the_definition_of_each_name() -> None:
    tree = ast.parse(Path(rs.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    seen = {(str(node.module), alias.name) for node in ast.walk(block) if isinstance(node, ast.ImportFrom)
            for alias in node.names}  # fmt: skip
    assert seen == {(f"radsweep.{module}", name) for module, names in rs._MODULES.items() for name in names}
    assert sorted(name for _, name in seen) == rs.__all__


def test_nothing_is_imported_before_a_name_is_used() -> None:
    code = "import sys; before = set(sys.modules); import radsweep; print(sorted(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
                           env={"PYTHONPATH": str(Path(rs.__file__).parents[1])})  # fmt: skip
    imported = {name.split(".")[0] for name in ast.literal_eval(ended.stdout)}
    assert "radsweep" in imported
    assert imported - {"radsweep"} <= sys.stdlib_module_names


def test_the_error_is_that_of_the_command_line() -> None:
    from radsweep.errors import InputError

    assert rs.InputError is InputError
