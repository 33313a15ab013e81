"""Files of published data sets: their paths under a root, and the origin of missing ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from radsweep.data.importers.toolkit.tables import SourceTable, read_table, require_columns
from radsweep.data.packing.image_names import is_hidden
from radsweep.errors import InputError


@dataclass(frozen=True)
class PublishedFile:
    """A file or folder of a published data set.

    names: glob patterns, tried in order; `x.csv.gz` may also be `x.csv`. comes_from: the data set it belongs to, and
    the address to download it from.
    """

    names: tuple[str, ...]
    comes_from: str

    @property
    def patterns(self) -> list[str]:
        unpacked = [name.removesuffix(".gz") for name in self.names if name.endswith(".gz")]
        return [*self.names, *unpacked]


def find_known(root: Path, *wanted: PublishedFile) -> list[Path]:
    """Return the path of each of `wanted` under `root`. Raises InputError that names all missing ones."""
    found = {known: optional(root, known) for known in wanted}
    if lacking := [known for known, path in found.items() if path is None]:
        raise InputError(missing_message(root, *lacking))
    return [path for path in found.values() if path is not None]


def optional(root: Path, known: PublishedFile) -> Path | None:
    """Return the path of a file under `root` that is not hidden, or None if it does not exist."""
    return next((path for pattern in known.patterns for path in visible(root.glob(pattern))), None)


def visible(paths: Iterable[Path]) -> list[Path]:
    """Return paths in order, without those that a system made for itself (`.DS_Store`, `._1.xml`)."""
    return sorted(path for path in paths if not is_hidden(path.name))


def known_table(path: Path, columns: Sequence[str], optional_columns: Collection[str] = ()) -> SourceTable:
    """Read a table that must have these columns; its rows hold only them and the optional ones. Raises InputError."""
    table = read_table(path, keep={*columns, *optional_columns})
    require_columns(table, {"a table of another kind or version": columns})
    return table


def image_files(path: str) -> tuple[str, ...]:
    """Return `path` as the files of a row; `pack` checks later that it exists. Empty if it leaves the root."""
    return (path,) if stays_inside(path) else ()


def stays_inside(path: str) -> bool:
    """Return False for a path that is empty, absolute or goes up."""
    inside = PurePosixPath(path)
    return bool(path) and not inside.is_absolute() and ".." not in inside.parts


def image_below(folder: Path, name: str, root: Path) -> tuple[str, ...]:
    """Return the file `name` of a folder under `root` as `image_files` does; the name is that of a source's table."""
    return image_files(f"{folder.relative_to(root)}/{name}") if stays_inside(name) else ()


def missing_message(root: Path, *lacking: PublishedFile) -> str:
    """Return a line for each origin: the missing files, their origin, and a folder nearby that has all of them."""
    lines = []
    for origin in dict.fromkeys(known.comes_from for known in lacking):
        of_it = [known for known in lacking if known.comes_from == origin]
        names = ", ".join(known.names[0] for known in of_it)
        are, come, them = ("is", "it comes", "It is") if len(of_it) == 1 else ("are", "they come", "They are")
        line = f"{root}: {names} {are} missing; {come} with {origin}"
        nearby = (*(path for path in visible(root.iterdir()) if path.is_dir()), root.absolute().parent)
        right = next((folder for folder in nearby if all(optional(folder, known) for known in of_it)), None)
        lines.append(f"{line}. {them} in {right}; give that folder as ROOT" if right else line)
    return "\n".join(lines)
