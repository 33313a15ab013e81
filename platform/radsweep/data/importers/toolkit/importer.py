"""Parts of an importer: settings, and a function that reads a source's tables into rows for `pack`."""

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
    """Rows of a source, in its order, and information for the manifest.

    recorded: settings and counts for `Manifest.source`. notes: information for readers of the results.
    """

    rows: Sequence[SourceRow]
    needs: Requirements
    recorded: Recorded = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Importer:
    """One entry of `radsweep pack`.

    settings: its options, one field each. read: function from (settings, root, progress) to the source, which reads
    tables and reports, finds pictures but opens none, and raises InputError. about: the command's help, a line and a
    paragraph. example: the command's arguments.
    """

    settings: type[PackSettings]
    read: Callable[[Any, Path, Progress], Source]
    about: str
    example: str


def tracked(items: Sequence[Item], progress: Progress) -> Iterator[Item]:
    """Yield the items and report to `progress` how many are done, since a file server may be slow."""
    for done, item in enumerate(items, 1):
        yield item
        progress("reading the source", done, len(items))
