"""The package's source as a graph: top-level definitions and the definitions that each one uses.

Names of modules are not part of a definition, so moving, renaming, splitting or folding modules changes none.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from radsweep.sweep.identity.syntax import Module, Renamed, Stripped, attributes, global_names, imports, with_keys

TOP = "radsweep"
INTERFACES = ("radsweep.cli", "radsweep.api")  # no trial imports them; their names repeat those of other modules
Keys = tuple[str, ...]
SETTINGS = "Settings"  # the base class of an experiment file's settings, whose values are in keys already


class Location(NamedTuple):
    """Module and a name in it."""

    module: str
    name: str


@dataclass(frozen=True)
class Definition:
    """Function, class or constant at the top level of a module."""

    place: Location
    meaning: str  # SHA-256 of the syntax tree without imports, docstrings, annotations of functions and layout
    uses: Mapping[str, tuple[Location, ...]]  # a name that it refers to: the definitions of the name
    foreign: Mapping[str, str]  # a name from another package: its origin
    bases: tuple[Location, ...] = ()


class Graph:
    """Definitions of the package in a folder, read when they are needed."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self._modules: dict[str, Module | None] = {}
        self._definitions: dict[tuple[Location, Keys | None], tuple[Definition, ...]] = {}

    def find(self, name: str) -> Location:
        """Return the module that defines a name.

        Raises:
            LookupError: no module defines it, or several do.
        """
        found = [Location(module, name) for module, names in self._defined.items() if name in names]
        if len(found) != 1:
            raise LookupError(
                f"{name} is defined in {len(found)} modules: {', '.join(place.module for place in found)}"
            )
        return found[0]

    def reached(
        self, roots: Iterable[str], off: Iterable[str] = (), tables: Mapping[str, Keys] = MappingProxyType({})
    ) -> dict[Location, tuple[Definition, ...]]:
        """Return every definition that the roots use, directly or indirectly.

        Args:
            roots: names of definitions.
            off: names that are left out, with everything that is only used through them.
            tables: name of a dict: the keys whose entries count. The others are left out as those of `off` are.
        """
        left_out = {*off}
        found: dict[Location, tuple[Definition, ...]] = {}
        waiting = [self.find(name) for name in roots]
        while True:
            while waiting:
                place = waiting.pop()
                if place in found or place.name in left_out or self.is_settings(place):
                    continue
                found[place] = self.definitions(place, tables.get(place.name))
                waiting += [used for each in found[place] for places in each.uses.values() for used in places]
            waiting = [effect for effect in self._effects(found) if effect not in found]
            if not waiting:
                return found

    def fingerprint(
        self, roots: Iterable[str], off: Iterable[str] = (), tables: Mapping[str, Keys] = MappingProxyType({})
    ) -> str:
        """Hash the definitions that the roots reach, independent of modules and their order. See `reached`."""
        reached = self.reached(roots, off, tables)
        digests = {self._digest(each, reached) for definitions in reached.values() for each in definitions}
        return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()

    def definitions(self, place: Location, keys: Keys | None = None) -> tuple[Definition, ...]:
        """Return the definitions of a name: one, or one for each branch that defines it.

        Args:
            keys: of a dict, the entries that count; None: all of them.
        """
        if (place, keys) not in self._definitions:
            module = self._module(place.module)
            nodes = module.nodes.get(place.name, []) if module else []
            kept = nodes if keys is None else [with_keys(node, keys) for node in nodes]
            self._definitions[place, keys] = tuple(self._definition(place, node) for node in kept)
        return self._definitions[place, keys]

    def _digest(self, definition: Definition, reached: Mapping[Location, tuple[Definition, ...]]) -> str:
        """Hash a definition and the definitions of its names, so that a name with another meaning counts."""
        links = {
            name: sorted(each.meaning for place in places for each in reached.get(place, ()))
            for name, places in definition.uses.items()
        }
        parts = [definition.meaning, links, definition.foreign]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _effects(self, found: Iterable[Location]) -> Iterator[Location]:
        """Yield statements that run at import and concern something found, or nothing in particular."""
        by_module: dict[str, set[str]] = {}
        for place in found:
            by_module.setdefault(place.module, set()).add(place.name)
        for name, names in by_module.items():
            module = self._module(name)
            assert module is not None
            for effect in module.effects:
                named = {
                    each.id for node in module.nodes[effect] for each in ast.walk(node) if isinstance(each, ast.Name)
                }
                concerned = named & module.nodes.keys()
                if not concerned or concerned & names:
                    yield Location(name, effect)

    def is_settings(self, place: Location) -> bool:
        """True for a class of an experiment file's settings."""
        if place.name == SETTINGS:
            return True
        return any(self.is_settings(base) for each in self.definitions(place) for base in each.bases)

    def _definition(self, place: Location, node: ast.stmt) -> Definition:
        module = self._module(place.module)
        assert module is not None
        imported = module.imported | imports(node)
        stripped = Stripped().visit(ast.parse(ast.unparse(node)).body[0])
        uses: dict[str, set[Location]] = {}
        foreign: dict[str, str] = {}
        aliases: dict[str, str | None] = {}  # the name in this module: the name in its own module; None for a module
        for name in global_names(stripped):
            if name in module.nodes and name not in imported:
                uses.setdefault(name, set()).add(Location(place.module, name))
            elif name in imported:
                origin = imported[name]
                if origin.split(".")[0] != TOP or origin == TOP:
                    foreign[name] = origin
                elif self._module(origin):
                    aliases[name] = None
                    for attribute in attributes(stripped, name) or self._module(origin).nodes:  # type: ignore[union-attr]
                        uses.setdefault(attribute, set()).update(self._resolved(Location(origin, attribute)))
                else:
                    home = Location(*origin.rsplit(".", 1))
                    aliases[name] = home.name
                    uses.setdefault(home.name, set()).update(self._resolved(home))
        bases = {
            used
            for base in (stripped.bases if isinstance(stripped, ast.ClassDef) else ())
            for name in ast.walk(base)
            if isinstance(name, ast.Name | ast.Attribute)
            for used in uses.get(_home_name(name, aliases), ())
        }
        meaning = ast.dump(Renamed(aliases).visit(stripped))
        return Definition(
            place,
            hashlib.sha256(meaning.encode()).hexdigest(),
            {name: tuple(sorted(places)) for name, places in uses.items()},
            foreign,
            tuple(sorted(bases)),
        )

    def _resolved(self, place: Location) -> set[Location]:
        """Find where a name is defined, following modules that re-export it."""
        module = self._module(place.module)
        if module is None:
            return set()
        if place.name in module.nodes:
            return {place}
        origin = module.imported.get(place.name, "")
        return self._resolved(Location(*origin.rsplit(".", 1))) if origin.startswith(f"{TOP}.") else set()

    def _module(self, name: str) -> Module | None:
        """Return a module by its name, such as `radsweep.training.loop`; None if it does not exist."""
        if name not in self._modules:
            inner = Path(*name.split(".")[1:])
            files = (self.package / inner.with_suffix(".py"), self.package / inner / "__init__.py")
            file = next((file for file in files if inner.name and file.is_file()), None)
            self._modules[name] = Module(file.read_text(encoding="utf-8")) if file else None
        return self._modules[name]

    @cached_property
    def _defined(self) -> dict[str, set[str]]:
        """{module: names that it defines}, found in the text, since parsing every module takes a second."""
        found = {}
        for file in sorted(self.package.rglob("*.py")):
            inner = file.relative_to(self.package.parent).with_suffix("").parts
            module = ".".join(inner[:-1] if inner[-1] == "__init__" else inner)
            if module.startswith(INTERFACES):
                continue
            found[module] = set(re.findall(r"^(?:def|class) (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
        return found


def _home_name(node: ast.Name | ast.Attribute, aliases: Mapping[str, str | None]) -> str:
    return node.attr if isinstance(node, ast.Attribute) else aliases.get(node.id) or node.id
