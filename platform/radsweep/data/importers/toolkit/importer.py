"""What an importer is: settings, and a function that reads a source's tables into rows for `data.pack`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.settings import PackSettings
from radsweep.data.packing.studies import Requirements

if TYPE_CHECKING:  # else `radsweep --help` would wait for numpy
    from radsweep.data.packing.image_cache import Progress

Item = TypeVar("Item")
Recorded = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Source:
    """The rows of a source, in its order, and what the manifest tells about how they were read.

    recorded: settings and counts for `Manifest.source`. notes: what a reader of results should know.
    """

    rows: Sequence[SourceRow]
    needs: Requirements
    recorded: Recorded = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Importer:
    """One entry of `radsweep pack`.

    settings: its options, one field each. read: (settings, root, progress) to the source; reads tables and reports,
    looks pictures up but opens none; raises InputError. about: the command's help, a line and a paragraph. example:
    the command's arguments.
    """

    settings: type[PackSettings]
    read: Callable[[Any, Path, Progress], Source]
    about: str
    example: str


def tracked(items: Sequence[Item], progress: Progress) -> Iterator[Item]:
    """The items, one after another, while `progress` tells how many of them are done: a file server takes its time."""
    for done, item in enumerate(items, 1):
        yield item
        progress("reading the source", done, len(items))
