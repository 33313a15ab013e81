"""Files of published data sets: where they lie under a root, and where a missing one comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from radsweep.data.importers.toolkit.tables import SourceTable, read_table, require_columns
from radsweep.errors import InputError


@dataclass(frozen=True)
class PublishedFile:
    """A file or folder of a published data set. names: glob patterns, tried in order; `x.csv.gz` may be `x.csv` too.

    comes_from: what it is a part of, and where that is to be had.
    """

    names: tuple[str, ...]
    comes_from: str

    @property
    def patterns(self) -> list[str]:
        unpacked = [name.removesuffix(".gz") for name in self.names if name.endswith(".gz")]
        return [*self.names, *unpacked]


def find_known(root: Path, *wanted: PublishedFile) -> list[Path]:
    """Where each of `wanted` lies under `root`. Raises InputError that names all that are missing."""
    found = {known: optional(root, known) for known in wanted}
    if lacking := [known for known, path in found.items() if path is None]:
        raise InputError(missing_message(root, *lacking))
    return [path for path in found.values() if path is not None]


def optional(root: Path, known: PublishedFile) -> Path | None:
    return next((path for pattern in known.patterns for path in sorted(root.glob(pattern))), None)


def known_table(path: Path, columns: Sequence[str], optional_columns: Collection[str] = ()) -> SourceTable:
    """A table with these columns at least, and no others in its rows. Raises InputError."""
    table = read_table(path, keep={*columns, *optional_columns})
    require_columns(table, {"a table of another kind or version": columns})
    return table


def image_files(path: str) -> tuple[str, ...]:
    """`path` as the files of a row, there or not: `pack` finds out when it reads. Empty where it leaves the root."""
    inside = PurePosixPath(path)
    return () if not path or inside.is_absolute() or ".." in inside.parts else (path,)


def missing_message(root: Path, *lacking: PublishedFile) -> str:
    """A line for each origin: what is missing, where it comes from, in which folder nearby all of it is."""
    lines = []
    for origin in dict.fromkeys(known.comes_from for known in lacking):
        of_it = [known for known in lacking if known.comes_from == origin]
        names = ", ".join(known.names[0] for known in of_it)
        are, come, them = ("is", "it comes", "It is") if len(of_it) == 1 else ("are", "they come", "They are")
        line = f"{root}: {names} {are} missing; {come} with {origin}"
        nearby = (*sorted(path for path in root.iterdir() if path.is_dir()), root.absolute().parent)
        right = next((folder for folder in nearby if all(optional(folder, known) for known in of_it)), None)
        lines.append(f"{line}. {them} in {right}: give that folder as ROOT" if right else line)
    return "\n".join(lines)
