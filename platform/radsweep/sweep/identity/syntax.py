"""Syntax trees of modules: the names that they define, import and use, and the statements that run."""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Collection, Iterator, Mapping

DOCUMENTED = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """Definitions and imports of a module, by name."""

    def __init__(self, source: str) -> None:
        self.nodes: dict[str, list[ast.stmt]] = {}
        self.effects: list[str] = []  # invented names of statements that define nothing
        self.imported: dict[str, str] = {}
        for statement in _statements(ast.parse(source).body):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imported |= imports(statement)
                continue
            names = list(_names_of(statement))
            if not names:
                names = [f"effect {len(self.effects)}"]
                self.effects += names
            for name in names:
                self.nodes.setdefault(name, []).append(statement)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements of a module, including branches of `if` and `try`, without docstrings and type imports."""
    for statement in body:
        if (
            isinstance(statement, ast.If)
            and isinstance(statement.test, ast.Name)
            and statement.test.id == "TYPE_CHECKING"
        ):
            yield from _statements(statement.orelse)
        elif isinstance(statement, ast.Try):
            for part in (statement.body, *(handler.body for handler in statement.handlers), statement.orelse):
                yield from _statements(part)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def _names_of(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, DOCUMENTED):
        yield statement.name
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        yield from (each.id for target in targets if target for each in ast.walk(target) if isinstance(each, ast.Name))


def imports(tree: ast.AST) -> dict[str, str]:
    """Return the names that imports in a tree bind, and their origins: `radsweep.data.loading.folds`, `numpy`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def global_names(tree: ast.AST) -> set[str]:
    """Return the module's names that a definition refers to, without parameters and local variables."""
    without_types = _Untyped().visit(ast.parse(ast.unparse(tree)))
    found: set[str] = set()
    tables = [symtable.symtable(ast.unparse(without_types), "definition", "exec")]
    while tables:
        table = tables.pop()
        at_top = table.get_type() in ("module", "class")  # a class may name an attribute after a global
        found |= {s.get_name() for s in table.get_symbols() if s.is_global() or (at_top and s.is_referenced())}
        tables += table.get_children()
    return found


def attributes(tree: ast.AST, module: str) -> set[str]:
    """Return the attributes that are read from a module: `WEIGHTS` of `checkpoint.WEIGHTS`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    }


def with_keys(node: ast.stmt, keys: Collection[str]) -> ast.stmt:
    """Return a statement that assigns a dict, with only these keys: strings, or names of attributes.

    Raises:
        ValueError: it assigns something else.
    """
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Dict):
        raise ValueError(f"not a dict written out key by key: {ast.unparse(node)[:100]}")
    kept = [
        (key, value)
        for key, value in zip(node.value.keys, node.value.values, strict=True)
        if (key.attr if isinstance(key, ast.Attribute) else getattr(key, "value", None)) in keys
    ]
    changed = copy.copy(node)
    changed.value = ast.Dict([key for key, _ in kept], [value for _, value in kept])
    return changed


class Stripped(ast.NodeTransformer):
    """Remove imports, docstrings and annotations of functions, which do not affect what runs."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        return node

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None


class _Untyped(ast.NodeTransformer):
    """Remove the annotations of variables and fields: a type that is only named is not used."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.Constant(0)
        return node


class Renamed(ast.NodeTransformer):
    """Replace the names under which a module imports definitions by those that they are defined with."""

    def __init__(self, aliases: Mapping[str, str | None]) -> None:
        self.aliases = aliases

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        owner = node.value
        if isinstance(owner, ast.Name) and self.aliases.get(owner.id, "") is None:
            return ast.Name(node.attr, node.ctx)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.aliases.get(node.id) or node.id, node.ctx)
